// Group norm as bodies. A block of threads takes a tile of one image: all its positions, and whole
// groups of channels, so many that a row of the tile is a sector of memory (32 bytes) or more. A
// tile of one chunk, up to 32 KiB (32 x 32 positions in sectors), is read once: it stays in
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

// How the images are cut into tiles.
struct GroupTiling {
  int64_t n, positions, c;
  int tiles, channels, width;  // of an image; of a tile, the last may have fewer; of a group
  double share;                // 1 / the values of a group
  constexpr int64_t tasks() const { return n * tiles; }
};

// For accesses of W values: the more channels in a tile, the fewer its positions.
template <class T, int W>
GroupTiling group_tiling(const NormShape& shape) {
  const int64_t bytes = shape.positions <= 128 ? 128 : shape.positions <= 256 ? 64 : 32;
  const int64_t width = shape.c / shape.groups, unit = std::lcm(width, int64_t{W});
  const int64_t units = std::max<int64_t>(bytes / int64_t{sizeof(T)} / unit, 1);
  const int64_t channels = std::min(units * unit, shape.c);
  return {shape.n,
          shape.positions,
          shape.c,
          static_cast<int>(ceil_div(shape.c, channels)),
          static_cast<int>(channels),
          static_cast<int>(width),
          1 / static_cast<double>(width * shape.positions)};
}

// Threads of a tile's block. In a large tile each holds what it can, so that all tiles of a
// network's layer, or half of them, are on an H100 at once; in a small one a quarter of it, so that
// its few warps have less to do one after the other.
template <class T, int W>
int group_threads(const GroupTiling& tiling) {
  const int64_t accesses = tiling.positions * ceil_div(tiling.channels, W);
  const auto held = [](int threads) { return kHeldRows<T, W> / (threads < 128 ? 4 : 1); };
  int threads = kWarpSize;
  while (threads < kTileThreads && threads * held(threads) < accesses) threads *= 2;
  return threads;
}

inline constexpr int kTileGroups = 64;  // at most: 128 bytes of bfloat16, a channel each

// A tile of one image.
struct GroupTile {
  int64_t image, channel;       // its first channel
  int64_t offset, first_group;  // of its first element; among all images' groups
  int channels, width, groups;  // width: channels of a group

  BASIN_DEVICE GroupTile(const GroupTiling& tiling, int64_t task) {
    image = task / tiling.tiles;
    channel = (task - image * tiling.tiles) * tiling.channels;
    const int64_t left = tiling.c - channel;
    channels = left < tiling.channels ? static_cast<int>(left) : tiling.channels;
    width = tiling.width;
    groups = channels / width;
    offset = image * tiling.positions * tiling.c + channel;
    first_group = (image * tiling.c + channel) / width;
  }

  // body(group, first, last, starts) for the groups that have channels in the strip, a thread each:
  // [first, last), counted from the strip's first; `starts` where it has none in earlier strips.
  template <class Block, class Body>
  BASIN_DEVICE void each_group(const Block& block, const Strip& strip, const Body& body) const {
    for (int g = block.thread_rank(); g < groups; g += block.num_threads()) {
      const int first = g * width > strip.begin ? g * width : strip.begin;
      const int last = (g + 1) * width < strip.end ? (g + 1) * width : strip.end;
      if (first < last) body(g, first - strip.begin, last - strip.begin, first == g * width);
    }
  }
  // to[j] = from[the group of the thread's channel j].
  template <class F, int W>
  BASIN_DEVICE void spread(const Strip& strip, const F* from, F (&to)[W]) const {
    BASIN_UNROLL
    for (int j = 0; j < W; ++j) to[j] = from[(strip.channel + j) / width];
  }
};

// Two sums of each group: its channels' in the strip, then those of all strips so far.
struct GroupSums {
  ChannelSums warps;
  double channel_a[kTileChannels], channel_b[kTileChannels];
  double a[kTileGroups], b[kTileGroups];

  BASIN_DEVICE void put(int k, double channel_sum_a, double channel_sum_b) {
    channel_a[k] = channel_sum_a;
    channel_b[k] = channel_sum_b;
  }
  // done(group, a, b), a thread a group. The block meets before and behind it.
  template <class Block, class Done>
  BASIN_DEVICE void join(Block& block, const GroupTile& t, const Strip& strip, const Done& done) {
    block.sync();
    t.each_group(block, strip, [&](int g, int first, int last, bool starts) {
      double sum_a = starts ? 0 : a[g], sum_b = starts ? 0 : b[g];
      for (int k = first; k < last; ++k) {
        sum_a += channel_a[k];
        sum_b += channel_b[k];
      }
      a[g] = sum_a;
      b[g] = sum_b;
      done(g, sum_a, sum_b);
    });
    block.sync();
  }
};

// Where a tile's gamma and beta begin: those of all images, or those of its group of images. (64
// bits would be divided by a call, for which registers would have to be free.)
struct OneForAll {
  BASIN_DEVICE int64_t of(const GroupTile& t) const { return t.channel; }
};
struct OneAGroup {
  int images;  // of a group
  int64_t stride;
  BASIN_DEVICE int64_t of(const GroupTile& t) const {
    return static_cast<int>(t.image) / images * stride + t.channel;
  }
};

// y, mean, rstd (and sum).
template <class T, int W, class Parameters>
struct GroupNormForward : TileBounds<T, 3> {
  using F = Wide<T>;
  struct Shared {
    GroupSums sums;
    F pivot[kTileGroups], mean[kTileGroups], rstd[kTileGroups];
  };

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, const GroupTiling& tiling, const T* x,
                               const T* residual, T* sum, const F* gamma, const F* beta,
                               Parameters where, double eps, F floor, T* y, F* mean,
                               F* rstd) const {
    constexpr int held_rows = kHeldRows<T, W>;
    const TileThread<W> thread(block, tiling.channels);
    const int64_t c = tiling.c, positions = tiling.positions;
    const int chunks = static_cast<int>(ceil_div<int64_t>(positions, thread.lanes * held_rows));
    for (int64_t task = block.block_rank(); task < tiling.tasks(); task += block.num_blocks()) {
      const GroupTile t(tiling, task);
      const NormInput<T> from = {x, residual, sum};
      const int strips = ceil_div(t.channels, thread.channels());
      Chunk<T, W, held_rows> s;
      for (int k = 0; k < strips; ++k) {
        const Strip strip = thread.strip(k, t.channels, positions);
        F pivot[W] = {};
        for (int chunk = 0; chunk < chunks; ++chunk) {
          const auto rows = thread.template rows_of<held_rows>(chunk, strip, c, t.offset);
          from.read(rows, s);
          if (chunk == 0) {
            choose_pivots(block, thread, rows, s, [&](int j, F value) {
              const int g = (strip.channel + j) / t.width;  // its first channel's serves a group
              if (strip.channel + j == g * t.width) shared.pivot[g] = value;
            });
            t.spread(strip, shared.pivot, pivot);
          }
          shared.sums.warps.add_moments(block, thread, chunk == 0, rows, s, pivot);
        }
        shared.sums.warps.join(block, strip,
                               [&](int j, double a, double b) { shared.sums.put(j, a, b); });
        shared.sums.join(block, t, strip, [&](int g, double a, double b) {
          const double shift = a * tiling.share, raw = b * tiling.share - shift * shift;
          const double variance = raw < 0 ? 0 : raw;  // NaN stays
          const F m = static_cast<F>(static_cast<double>(shared.pivot[g]) + shift);
          const F r = 1 / std::sqrt(static_cast<F>(variance + eps));
          mean[t.first_group + g] = shared.mean[g] = m;
          rstd[t.first_group + g] = shared.rstd[g] = r;
        });
      }
      const int64_t own = where.of(t);
      for (int k = strips - 1; k >= 0; --k) {
        const Strip strip = thread.strip(k, t.channels, positions);
        ThreadParameters<F, W> p;
        t.spread(strip, shared.mean, p.mean);
        t.spread(strip, shared.rstd, p.scale);
        p.load(gamma, beta, floor, own + strip.channel);
        for (int chunk = chunks - 1; chunk >= 0; --chunk) {
          const auto rows = thread.template rows_of<held_rows>(chunk, strip, c, t.offset);
          const bool held = k == strips - 1 && chunk == chunks - 1;
          if (!held) s.load(rows, from.values());
          normalise(rows, s, p, y);
        }
      }
    }
  }
};

// ds, and the image's part of dgamma and dbeta: [n, c] each, in scratch. With
// xhat = (s - mean) rstd, g = gamma dy and <.> the mean over the group:
//   ds = rstd (g - <g> - xhat <g xhat>).
template <class T, int W, class Parameters>
struct GroupNormBackward : TileBounds<T, 2> {
  using F = Wide<T>;
  struct Shared {
    GroupSums sums;  // of g and of g * (s - mean)
    F offset[kTileGroups], slope[kTileGroups];
  };

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, const GroupTiling& tiling, const T* dy,
                               const T* s, const F* gamma, const F* beta, Parameters where,
                               const F* mean, const F* rstd, F floor, T* ds, Write mode, F* dgammas,
                               F* dbetas) const {
    constexpr int held_rows = kHeldRows<T, W>;
    const TileThread<W> thread(block, tiling.channels);
    const int64_t c = tiling.c, positions = tiling.positions;
    const int chunks = static_cast<int>(ceil_div<int64_t>(positions, thread.lanes * held_rows));
    for (int64_t task = block.block_rank(); task < tiling.tasks(); task += block.num_blocks()) {
      const GroupTile t(tiling, task);
      const int strips = ceil_div(t.channels, thread.channels());
      const int64_t own = where.of(t);
      const F* means = mean + t.first_group;
      const F* rstds = rstd + t.first_group;
      Chunk<T, W, held_rows> dys, values;
      const auto load = [&](const auto& rows) {
        dys.load(rows, dy);
        values.load(rows, s);
      };
      const auto parameters = [&](const Strip& strip) {
        ThreadParameters<F, W> p;
        t.spread(strip, means, p.mean);
        t.spread(strip, rstds, p.scale);
        p.load(gamma, beta, floor, own + strip.channel);
        return p;
      };
      for (int k = 0; k < strips; ++k) {
        const Strip strip = thread.strip(k, t.channels, positions);
        const auto p = parameters(strip);
        for (int chunk = 0; chunk < chunks; ++chunk) {
          const auto rows = thread.template rows_of<held_rows>(chunk, strip, c, t.offset);
          load(rows);
          shared.sums.warps.add_gradients(block, thread, chunk == 0, dys, values, p);
        }
        shared.sums.warps.join(block, strip, [&](int j, double a, double b) {
          const int64_t part = t.image * c + t.channel + strip.begin + j;
          dgammas[part] = rstds[(strip.begin + j) / t.width] * static_cast<F>(b);
          dbetas[part] = static_cast<F>(a);
          const auto weight = static_cast<double>(gamma[own + strip.begin + j]);
          shared.sums.put(j, a * weight, b * weight);
        });
        shared.sums.join(block, t, strip, [&](int g, double a, double b) {
          const auto r = static_cast<double>(rstds[g]);
          shared.offset[g] = static_cast<F>(r * a * tiling.share);
          shared.slope[g] = static_cast<F>(r * r * r * b * tiling.share);
        });
      }
      if (ds == nullptr) continue;
      for (int k = strips - 1; k >= 0; --k) {
        const Strip strip = thread.strip(k, t.channels, positions);
        const auto p = parameters(strip);
        F offset[W], slope[W];
        t.spread(strip, shared.offset, offset);
        t.spread(strip, shared.slope, slope);
        for (int chunk = chunks - 1; chunk >= 0; --chunk) {
          const auto rows = thread.template rows_of<held_rows>(chunk, strip, c, t.offset);
          const bool held = k == strips - 1 && chunk == chunks - 1;
          if (!held) load(rows);
          backward(rows, dys, values, p, offset, slope, ds, mode);
        }
      }
    }
  }
};

}  // namespace basin
