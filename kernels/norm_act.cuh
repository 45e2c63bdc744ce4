// Group norm as bodies. A block of threads takes a tile of one image: all its positions, and whole
// groups of channels, so many that a row of the tile is a sector of memory (32 bytes) or more. A
// tile of one chunk, up to 2,048 accesses (32 x 32 positions in sectors), is read once: it stays in
// registers until the statistics are joined. Of a larger tile the other chunks are read again. What
// a thread adds, and in which order, depends on the sizes, on the width of the accesses and on the
// number of threads in a block alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "kernels/norm_act_tile.cuh"

namespace basin {

// Channels of a tile for accesses of W values: the more, the fewer its positions.
template <class T, int W>
int64_t group_tile(const NormShape& shape) {
  const int64_t bytes = shape.positions <= 128 ? 128 : shape.positions <= 256 ? 64 : 32;
  const int64_t unit = std::lcm(shape.c / shape.groups, int64_t{W});
  const int64_t units = std::max<int64_t>(bytes / int64_t{sizeof(T)} / unit, 1);
  return std::min(units * unit, shape.c);
}

// Threads of its block: two accesses each, more where it is large.
template <int W>
int group_threads(const NormShape& shape, int64_t tile) {
  int64_t threads = kWarpSize;
  while (threads < kTileThreads && 2 * threads * W < shape.positions * tile) threads *= 2;
  return static_cast<int>(threads);
}

inline constexpr int kTileGroups = 64;  // at most: 128 bytes of bfloat16, a channel each

// A tile of one image.
struct GroupTile {
  int64_t image, channel;       // its first channel
  int64_t offset, first_group;  // of its first element; among all images' groups
  int channels, width, groups;  // width: channels of a group

  BASIN_DEVICE GroupTile(const NormShape& shape, int64_t tile, int64_t task) {
    const int64_t tiles = ceil_div(shape.c, tile);
    image = task / tiles;
    channel = task % tiles * tile;
    channels = static_cast<int>(shape.c - channel < tile ? shape.c - channel : tile);
    width = static_cast<int>(shape.c / shape.groups);
    groups = channels / width;
    offset = image * shape.positions * shape.c + channel;
    first_group = image * shape.groups + channel / width;
  }

  // body(group) for each group, a thread each: the same thread for a group every time.
  template <class Block, class Body>
  BASIN_DEVICE void each_group(const Block& block, const Body& body) const {
    for (int g = block.thread_rank(); g < groups; g += block.num_threads()) body(g);
  }
  // body(group, first, last, before) for the groups that have channels in the strip: [first, last),
  // counted from the strip's first; `before` more lie in earlier strips.
  template <class Block, class Body>
  BASIN_DEVICE void each_group(const Block& block, const Strip& strip, const Body& body) const {
    each_group(block, [&](int g) {
      const int begin = static_cast<int>(strip.begin), end = static_cast<int>(strip.end);
      const int first = g * width > begin ? g * width : begin;
      const int last = (g + 1) * width < end ? (g + 1) * width : end;
      if (first < last) body(g, first - begin, last - begin, first - g * width);
    });
  }
  // to[j] = from[the group of the thread's channel j].
  template <class F, int W>
  BASIN_DEVICE void spread(const Strip& strip, const F (&from)[kTileGroups], F (&to)[W]) const {
    BASIN_UNROLL
    for (int j = 0; j < W; ++j) to[j] = from[(static_cast<int>(strip.channel) + j) / width];
  }
};

// Where a thread's part of the tile and its addresses take more than half a multiprocessor's
// registers, they are not spilled: its one block has 32 KiB or more of loads in flight.
template <class T, int W>
struct GroupBounds {
  static constexpr int kMaxThreads = kTileThreads;
  static constexpr int kResidentBlocks = W > 1 || sizeof(T) > 4 ? 1 : 2;
};

// y, mean, rstd (and sum).
template <class T, int W>
struct GroupNormForward : GroupBounds<T, W> {
  using F = Wide<T>;
  struct Shared {
    WarpValues channels;
    double group_mean[kTileGroups], group_m2[kTileGroups];
    F mean[kTileGroups], rstd[kTileGroups];
  };

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, const NormShape& shape, int64_t tile,
                               const T* x, const T* residual, T* sum, const F* gamma, const F* beta,
                               double eps, F floor, T* y, F* mean, F* rstd) const {
    const TileThread<W> thread(block, tile);
    const int64_t c = shape.c;
    const int64_t chunks = ceil_div<int64_t>(shape.positions, thread.lanes * kHeldRows);
    const int64_t tasks = shape.n * ceil_div(c, tile);
    for (int64_t task = block.block_rank(); task < tasks; task += block.num_blocks()) {
      const GroupTile t(shape, tile, task);
      const NormInput<T> from = NormInput<T>{x, residual, sum}.from(t.offset);
      const int64_t strips = ceil_div<int64_t>(t.channels, thread.channels());
      Chunk<T, W, kHeldRows> s;
      for (int64_t k = 0; k < strips; ++k) {
        const Strip strip = thread.strip(k, t.channels, shape.positions);
        block.sync();  // what was there may still be read
        double seen = 0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
          const auto rows = thread.template rows_of<kHeldRows>(chunk, strip, c);
          from.from(strip.channel).read(rows, s);
          shared.channels.add_moments(block, thread, rows, s, seen);
        }
        shared.channels.join_moments(block, strip, shape.positions);
        block.sync();
        join(block, shared, shape.positions, eps, t, strip, mean, rstd);
      }
      block.sync();
      for (int64_t k = strips - 1; k >= 0; --k) {
        const Strip strip = thread.strip(k, t.channels, shape.positions);
        ThreadParameters<F, W> p;
        t.spread(strip, shared.mean, p.mean);
        t.spread(strip, shared.rstd, p.scale);
        p.load(gamma, beta, floor, t.channel + strip.channel);
        for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
          const auto rows = thread.template rows_of<kHeldRows>(chunk, strip, c);
          const bool held = k == strips - 1 && chunk == chunks - 1;
          if (!held) s.load(rows, from.values() + strip.channel);
          normalise(rows, s, p, y + t.offset + strip.channel);
        }
      }
    }
  }

 private:
  // The moments of the strip's channels joined to those of their groups.
  template <class Block>
  BASIN_DEVICE static void join(Block& block, Shared& shared, int64_t positions, double eps,
                                const GroupTile& t, const Strip& strip, F* mean, F* rstd) {
    const auto& means = shared.channels.first[0];
    const auto& m2s = shared.channels.second[0];
    const auto rows = static_cast<double>(positions);
    t.each_group(block, strip, [&](int g, int first, int last, int before) {
      const double now = last - first, all = before + now;
      double group_mean = 0, m2 = 0;
      for (int k = first; k < last; ++k) group_mean += means[k];
      group_mean /= now;
      for (int k = first; k < last; ++k) {
        const double d = means[k] - group_mean;
        m2 += m2s[k] + rows * d * d;
      }
      if (before > 0) {
        const double delta = group_mean - shared.group_mean[g];
        group_mean = shared.group_mean[g] + delta * (now / all);
        m2 += shared.group_m2[g] + delta * delta * rows * before * (now / all);
      }
      shared.group_mean[g] = group_mean;
      shared.group_m2[g] = m2;
      const double variance = m2 > 0 || m2 != m2 ? m2 / (rows * all) : 0;
      mean[t.first_group + g] = shared.mean[g] = static_cast<F>(group_mean);
      rstd[t.first_group + g] = shared.rstd[g] = static_cast<F>(1 / std::sqrt(variance + eps));
    });
  }
};

// ds, and the image's part of dgamma and dbeta: [n, c] each, in scratch. With
// xhat = (s - mean) rstd, g = gamma dy and <.> the mean over the group:
//   ds = rstd (g - <g> - xhat <g xhat>).
template <class T, int W>
struct GroupNormBackward : GroupBounds<T, W> {
  using F = Wide<T>;
  struct Shared {
    WarpValues channels;
    double a[kTileGroups], b[kTileGroups];  // the groups' sums of g and of g * (s - mean)
    F mean[kTileGroups], rstd[kTileGroups], offset[kTileGroups], slope[kTileGroups];
  };

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, const NormShape& shape, int64_t tile,
                               const T* dy, const T* s, const F* gamma, const F* beta,
                               const F* mean, const F* rstd, F floor, T* ds, Write mode, F* dgammas,
                               F* dbetas) const {
    const TileThread<W> thread(block, tile);
    const int64_t c = shape.c;
    const int64_t chunks = ceil_div<int64_t>(shape.positions, thread.lanes * kHeldRows);
    const int64_t tasks = shape.n * ceil_div(c, tile);
    for (int64_t task = block.block_rank(); task < tasks; task += block.num_blocks()) {
      const GroupTile t(shape, tile, task);
      const int64_t strips = ceil_div<int64_t>(t.channels, thread.channels());
      block.sync();  // the task before may still be reading
      t.each_group(block, [&](int g) {
        shared.mean[g] = mean[t.first_group + g];
        shared.rstd[g] = rstd[t.first_group + g];
        shared.a[g] = shared.b[g] = 0;
      });
      block.sync();
      Chunk<T, W, kHeldRows> dys, values;
      for (int64_t k = 0; k < strips; ++k) {
        const Strip strip = thread.strip(k, t.channels, shape.positions);
        const auto p = parameters(shared, t, strip, gamma, beta, floor);
        block.sync();  // what was there may still be read
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
          const auto rows = thread.template rows_of<kHeldRows>(chunk, strip, c);
          dys.load(rows, dy + t.offset + strip.channel);
          values.load(rows, s + t.offset + strip.channel);
          shared.channels.add_sums(block, thread, chunk == 0, rows, dys, values, p);
        }
        shared.channels.join_sums(block, strip);
        store_parts(block, shared, c, t, strip, gamma, dgammas, dbetas);
        block.sync();
        t.each_group(block, strip, [&](int g, int first, int last, int) {
          for (int j = first; j < last; ++j) {
            shared.a[g] += shared.channels.first[0][j];
            shared.b[g] += shared.channels.second[0][j];
          }
        });
      }
      if (ds == nullptr) continue;
      const double share =
          1 / (static_cast<double>(t.width) * static_cast<double>(shape.positions));
      t.each_group(block, [&](int g) {
        const auto r = static_cast<double>(shared.rstd[g]);
        shared.offset[g] = static_cast<F>(r * shared.a[g] * share);
        shared.slope[g] = static_cast<F>(r * r * r * shared.b[g] * share);
      });
      block.sync();
      for (int64_t k = strips - 1; k >= 0; --k) {
        const Strip strip = thread.strip(k, t.channels, shape.positions);
        const auto p = parameters(shared, t, strip, gamma, beta, floor);
        F offset[W], slope[W];
        t.spread(strip, shared.offset, offset);
        t.spread(strip, shared.slope, slope);
        for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) {
          const auto rows = thread.template rows_of<kHeldRows>(chunk, strip, c);
          const bool held = k == strips - 1 && chunk == chunks - 1;
          if (!held) {
            dys.load(rows, dy + t.offset + strip.channel);
            values.load(rows, s + t.offset + strip.channel);
          }
          backward(rows, dys, values, p, offset, slope, ds + t.offset + strip.channel, mode);
        }
      }
    }
  }

 private:
  BASIN_DEVICE static ThreadParameters<F, W> parameters(const Shared& shared, const GroupTile& t,
                                                        const Strip& strip, const F* gamma,
                                                        const F* beta, F floor) {
    ThreadParameters<F, W> p;
    t.spread(strip, shared.mean, p.mean);
    t.spread(strip, shared.rstd, p.scale);
    p.load(gamma, beta, floor, t.channel + strip.channel);
    return p;
  }

  // The sums of the strip's channels to scratch, and what the groups' sums add up in their place.
  template <class Block>
  BASIN_DEVICE static void store_parts(Block& block, Shared& shared, int64_t c, const GroupTile& t,
                                       const Strip& strip, const F* gamma, F* dgammas, F* dbetas) {
    const int begin = static_cast<int>(strip.begin), end = static_cast<int>(strip.end);
    for (int j = block.thread_rank(); j < end - begin; j += block.num_threads()) {
      double &a = shared.channels.first[0][j], &b = shared.channels.second[0][j];
      const int64_t channel = t.channel + begin + j, part = t.image * c + channel;
      dgammas[part] = static_cast<F>(static_cast<double>(shared.rstd[(begin + j) / t.width]) * b);
      dbetas[part] = static_cast<F>(a);
      a *= static_cast<double>(gamma[channel]);
      b *= static_cast<double>(gamma[channel]);
    }
  }
};

}  // namespace basin
