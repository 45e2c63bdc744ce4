// Batch norm as bodies: the sums over the rows of a part, which norm_act_join.cuh joins, and the
// passes over the elements behind them. Each pass reads its tensors once. What a thread adds, and
// in which order, depends on the sizes, on the width of the accesses and on the number of threads
// in a block alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/norm_act_tile.cuh"

namespace basin {

// Rows of a part: about a thousand parts of a large tensor, 8,192 elements of one strip at least.
inline int64_t batch_part_rows(const NormShape& shape) {
  constexpr int64_t kLeast = 8192, kParts = 1024;
  const int64_t rows = shape.n * shape.positions;
  const int64_t strips = ceil_div<int64_t>(shape.c, kTileChannels);
  const int64_t across = std::min<int64_t>(shape.c, kTileChannels);
  return std::max(ceil_div(kLeast, across), ceil_div(rows * strips, kParts));
}
inline int64_t batch_parts(const NormShape& shape) {
  return ceil_div(shape.n * shape.positions, batch_part_rows(shape));
}

// A strip of one part: a block's task. Strips of one part are neighbours.
struct Part {
  int64_t index, count;  // of rows
  Strip strip;
  int64_t offset;  // of the first element that is the thread's

  BASIN_DEVICE static int64_t tasks(int64_t rows, int64_t part_rows, int64_t c, int64_t strip) {
    return ceil_div(rows, part_rows) * ceil_div(c, strip);
  }
  template <int W>
  BASIN_DEVICE Part(const TileThread<W>& thread, int64_t task, int64_t rows, int64_t part_rows,
                    int64_t c) {
    const int64_t strips = ceil_div<int64_t>(c, thread.channels());
    index = task / strips;
    const int64_t first = index * part_rows;
    count = rows - first < part_rows ? rows - first : part_rows;
    strip = thread.strip(task % strips, c, count);
    offset = first * c + strip.channel;
  }
};

// What a pass reads of each channel: [c] each.
template <class F>
struct ChannelArrays {
  const F *mean, *rstd, *gamma, *beta;
  F floor;
  template <int W>
  BASIN_DEVICE ThreadParameters<F, W> of(int64_t channel) const {
    ThreadParameters<F, W> p;
    load_parameters(mean + channel, p.mean);
    load_parameters(rstd + channel, p.scale);
    p.load(gamma, beta, floor, channel);
    return p;
  }
};

// means, m2s: [parts, c], the mean and the sum of squared deviations of each part's rows (and sum).
template <class T, int W>
struct BatchMoments : TileBounds {
  using Shared = WarpValues;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t rows, int64_t part_rows,
                               int64_t c, const T* x, const T* residual, T* sum, double* means,
                               double* m2s) const {
    const TileThread<W> thread(block, c);
    const int64_t tasks = Part::tasks(rows, part_rows, c, thread.channels());
    for (int64_t task = block.block_rank(); task < tasks; task += block.num_blocks()) {
      const Part part(thread, task, rows, part_rows, c);
      const int64_t chunks = ceil_div<int64_t>(part.count, thread.lanes * kHeldRows);
      block.sync();  // what was there may still be read
      double seen = 0;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const auto chunk_rows = thread.template rows_of<kHeldRows>(chunk, part.strip, c);
        Chunk<T, W, kHeldRows> s;
        NormInput<T>{x, residual, sum}.from(part.offset).read(chunk_rows, s);
        shared.add_moments(block, thread, chunk_rows, s, seen);
      }
      shared.join_moments(block, part.strip, part.count);
      for (int64_t j = block.thread_rank(); j < part.strip.end - part.strip.begin;
           j += block.num_threads()) {
        const int64_t to = part.index * c + part.strip.begin + j;
        means[to] = shared.first[0][j];
        m2s[to] = shared.second[0][j];
      }
    }
  }
};

// rstd of given variances: [c].
// Narrow accesses: channels are few, so that each has a thread to itself.
template <class F>
struct FixedDeviations {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t c, const F* variance, double eps,
                               F* rstd) const {
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    for (int64_t j = rank; j < c; j += stride) {
      rstd[j] = static_cast<F>(1 / std::sqrt(static_cast<double>(variance[j]) + eps));
    }
  }
};

// y = act(norm(s)) (and sum).
template <class T, int W>
struct NormaliseRows : TileBounds {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t rows, int64_t c, const T* x,
                               const T* residual, T* sum, const ChannelArrays<Wide<T>>& channels,
                               T* y) const {
    const TileThread<W> thread(block, c);
    const int64_t part_rows = thread.lanes * kPassRows;
    const int64_t tasks = Part::tasks(rows, part_rows, c, thread.channels());
    for (int64_t task = block.block_rank(); task < tasks; task += block.num_blocks()) {
      const Part part(thread, task, rows, part_rows, c);
      const auto chunk_rows = thread.template rows_of<kPassRows>(0, part.strip, c);
      Chunk<T, W, kPassRows> s;
      NormInput<T>{x, residual, sum}.from(part.offset).read(chunk_rows, s);
      normalise(chunk_rows, s, channels.template of<W>(part.strip.channel), y + part.offset);
    }
  }
};

// dgammas, dbetas: [parts, c], each part's rows' part of dgamma and dbeta.
template <class T, int W>
struct GradientSums : TileBounds {
  using F = Wide<T>;
  using Shared = WarpValues;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t rows, int64_t part_rows,
                               int64_t c, const T* dy, const T* s, const ChannelArrays<F>& channels,
                               F* dgammas, F* dbetas) const {
    const TileThread<W> thread(block, c);
    const int64_t tasks = Part::tasks(rows, part_rows, c, thread.channels());
    for (int64_t task = block.block_rank(); task < tasks; task += block.num_blocks()) {
      const Part part(thread, task, rows, part_rows, c);
      const int64_t chunks = ceil_div<int64_t>(part.count, thread.lanes * kPassRows);
      const auto p = channels.template of<W>(part.strip.channel);
      block.sync();  // what was there may still be read
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const auto chunk_rows = thread.template rows_of<kPassRows>(chunk, part.strip, c);
        Chunk<T, W, kPassRows> dys, values;
        dys.load(chunk_rows, dy + part.offset);
        values.load(chunk_rows, s + part.offset);
        shared.add_sums(block, thread, chunk == 0, chunk_rows, dys, values, p);
      }
      shared.join_sums(block, part.strip);
      for (int64_t j = block.thread_rank(); j < part.strip.end - part.strip.begin;
           j += block.num_threads()) {
        const int64_t channel = part.strip.begin + j, to = part.index * c + channel;
        dgammas[to] =
            static_cast<F>(static_cast<double>(channels.rstd[channel]) * shared.second[0][j]);
        dbetas[to] = static_cast<F>(shared.first[0][j]);
      }
    }
  }
};

// ds (=, +=) scale * dy - (offset + slope * (s - mean)), dy masked; offset, slope: [c].
template <class T, int W>
struct BackwardRows : TileBounds {
  using F = Wide<T>;
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t rows, int64_t c, const T* dy,
                               const T* s, const ChannelArrays<F>& channels, const F* offset,
                               const F* slope, T* ds, Write mode) const {
    const TileThread<W> thread(block, c);
    const int64_t part_rows = thread.lanes * kPassRows;
    const int64_t tasks = Part::tasks(rows, part_rows, c, thread.channels());
    for (int64_t task = block.block_rank(); task < tasks; task += block.num_blocks()) {
      const Part part(thread, task, rows, part_rows, c);
      const auto chunk_rows = thread.template rows_of<kPassRows>(0, part.strip, c);
      Chunk<T, W, kPassRows> dys, values;
      dys.load(chunk_rows, dy + part.offset);
      values.load(chunk_rows, s + part.offset);
      F offsets[W], slopes[W];
      load_parameters(offset + part.strip.channel, offsets);
      load_parameters(slope + part.strip.channel, slopes);
      backward(chunk_rows, dys, values, channels.template of<W>(part.strip.channel), offsets,
               slopes, ds + part.offset, mode);
    }
  }
};

}  // namespace basin
