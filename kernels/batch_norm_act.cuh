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

// Rows of a part: 384 parts of a large tensor, so that all of their blocks run at once on an H100
// (three a multiprocessor), 4,096 elements of one strip at least.
inline int64_t batch_part_rows(const NormShape& shape) {
  constexpr int64_t kLeast = 4096, kParts = 384;
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
  int64_t offset;  // of its first row

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
    offset = first * c;
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
struct BatchMoments : TileBounds<T, 3> {
  using F = Wide<T>;
  struct Shared {
    ChannelSums sums;
    F pivot[kTileChannels];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t rows, int64_t part_rows,
                               int64_t c, const T* x, const T* residual, T* sum, double* means,
                               double* m2s) const {
    const TileThread<W> thread(block, c);
    const int64_t tasks = Part::tasks(rows, part_rows, c, thread.channels());
    for (int64_t task = block.block_rank(); task < tasks; task += block.num_blocks()) {
      const Part part(thread, task, rows, part_rows, c);
      const int64_t chunks = ceil_div<int64_t>(part.count, thread.lanes * kPassRows);
      block.sync();  // what was there may still be read
      F pivot[W] = {};
      Chunk<T, W, kPassRows> s;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const auto chunk_rows =
            thread.template rows_of<kPassRows>(chunk, part.strip, c, part.offset);
        NormInput<T>{x, residual, sum}.read(chunk_rows, s);
        if (chunk == 0) {
          choose_pivots(block, thread, chunk_rows, s,
                        [&](int j, F value) { shared.pivot[thread.channel + j] = value; });
          BASIN_UNROLL
          for (int j = 0; j < W; ++j) pivot[j] = shared.pivot[thread.channel + j];
        }
        shared.sums.add_moments(block, thread, chunk == 0, chunk_rows, s, pivot);
      }
      shared.sums.join(block, part.strip, [&](int k, double a, double b) {
        const int64_t to = part.index * c + part.strip.begin + k;
        const double shift = a / static_cast<double>(part.count), m2 = b - a * shift;
        means[to] = static_cast<double>(shared.pivot[k]) + shift;
        m2s[to] = m2 < 0 ? 0 : m2;  // NaN stays
      });
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
struct NormaliseRows : TileBounds<T, 3> {
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
      const auto chunk_rows = thread.template rows_of<kPassRows>(0, part.strip, c, part.offset);
      Chunk<T, W, kPassRows> s;
      NormInput<T>{x, residual, sum}.read(chunk_rows, s);
      normalise(chunk_rows, s, channels.template of<W>(part.strip.channel), y);
    }
  }
};

// dgammas, dbetas: [parts, c], each part's rows' part of dgamma and dbeta.
template <class T, int W>
struct GradientSums : TileBounds<T, 3> {
  using F = Wide<T>;
  using Shared = ChannelSums;
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
        const auto chunk_rows =
            thread.template rows_of<kPassRows>(chunk, part.strip, c, part.offset);
        Chunk<T, W, kPassRows> dys, values;
        dys.load(chunk_rows, dy);
        values.load(chunk_rows, s);
        shared.add_gradients(block, thread, chunk == 0, dys, values, p);
      }
      shared.join(block, part.strip, [&](int k, double a, double b) {
        const int64_t channel = part.strip.begin + k, to = part.index * c + channel;
        dgammas[to] = channels.rstd[channel] * static_cast<F>(b);
        dbetas[to] = static_cast<F>(a);
      });
    }
  }
};

// ds (=, +=) scale * dy - (offset + slope * (s - mean)), dy masked; offset, slope: [c].
template <class T, int W>
struct BackwardRows : TileBounds<T, 2> {
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
      const auto chunk_rows = thread.template rows_of<kPassRows>(0, part.strip, c, part.offset);
      Chunk<T, W, kPassRows> dys, values;
      dys.load(chunk_rows, dy);
      values.load(chunk_rows, s);
      F offsets[W], slopes[W];
      load_parameters(offset + part.strip.channel, offsets);
      load_parameters(slope + part.strip.channel, slopes);
      backward(chunk_rows, dys, values, channels.template of<W>(part.strip.channel), offsets,
               slopes, ds, mode);
    }
  }
};

}  // namespace basin
