// What the norms' bodies share. A block of threads works on a tile, rows of neighbouring channels,
// in chunks that it holds in registers: a thread has a pack of W channels, the same ones in every
// row, of up to kRows rows. Sums of a channel go over the thread's rows and over its warp in the
// type of the arithmetic, then over chunks and warps in float64.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/map.cuh"
#include "kernels/norm_act.h"
#include "kernels/wide_pack.cuh"

namespace basin {

inline constexpr int kTileThreads = 256;  // of a block, at most
inline constexpr int kTileWarps = kTileThreads / kWarpSize;
inline constexpr int kTileChannels = 128;  // side by side, at most
// Threads side by side, at most.
template <int W>
inline constexpr int kTileAcross = kTileChannels / W < kWarpSize ? kTileChannels / W : kWarpSize;
// Rows of a thread: where a chunk is used twice; where it is read, used once and written.
inline constexpr int kHeldRows = 8, kPassRows = 4;
// Rows of a second array that are added to them at once.
template <int W>
inline constexpr int kAddedRows = W > 4 ? 2 : 4;

// Two blocks a multiprocessor: one loads while the other computes.
struct TileBounds {
  static constexpr int kMaxThreads = kTileThreads, kResidentBlocks = 2;
};

// body(integral_constant<W>): accesses of 16 bytes where every row of c values of T and every array
// lies on them, otherwise of one value.
template <class T, class Body, class... Pointers>
void by_width(int64_t c, const Body& body, const Pointers*... pointers) {
  if (c % kPackSize<T> == 0 && access_of(pointers...) == Access::Packed) {
    body(std::integral_constant<int, kPackSize<T>>{});
  } else {
    body(std::integral_constant<int, 1>{});
  }
}

// W parameters of neighbouring channels, by 16 bytes at most.
template <int W, class F>
BASIN_DEVICE void load_parameters(const F* from, F (&to)[W]) {
  constexpr int width = W < kPackSize<F> ? W : kPackSize<F>;
  BASIN_UNROLL
  for (int k = 0; k < W; k += width) {
    const auto pack = WidePack<F, width>::load(from + k);
    BASIN_UNROLL
    for (int j = 0; j < width; ++j) to[k + j] = pack[j];
  }
}

// Channels [begin, end) of a tile that is wider than the block of threads, and a thread's part in
// them: its first channel and the end of its rows. A thread beyond the tile has no rows.
struct Strip {
  int64_t begin, end, channel, rows;
};

// The rows of a chunk that a thread has: how many, and the offsets of their elements.
template <int kRows>
struct ChunkRows {
  int64_t offset, step;
  int count;
  // body(which, its offset) for rows [begin, end) of them. The bounds are constant where it is
  // called, so that the loop unrolls: what it indexes stays in registers.
  template <class Body>
  BASIN_DEVICE void each(int begin, int end, const Body& body) const {
    BASIN_UNROLL
    for (int i = begin; i < end; ++i) {
      if (i < count) body(i, offset + i * step);
    }
  }
  template <class Body>
  BASIN_DEVICE void each(const Body& body) const {
    each(0, kRows, body);
  }
};

// Where a thread stands in its block: `across` threads share a row, `lanes` rows lie side by side.
// across is a power of two, so the threads of a warp that have the same channels are those whose
// ranks differ in the higher bits.
template <int W>
struct TileThread {
  int across = 1, lanes, lane, channel, warp;
  bool leads;  // its warp, for its channels

  template <class Block>
  BASIN_DEVICE TileThread(const Block& block, int64_t channels) {
    const int threads = block.num_threads();
    const int most = threads < kTileAcross<W> ? threads : kTileAcross<W>;
    while (across < most && across * W < channels) across *= 2;
    lanes = threads / across;
    lane = block.thread_rank() / across;
    channel = block.thread_rank() % across * W;
    warp = block.thread_rank() / kWarpSize;
    leads = block.thread_rank() % kWarpSize < across;
  }
  BASIN_DEVICE int channels() const { return across * W; }
  // Strip `index` of a tile.
  BASIN_DEVICE Strip strip(int64_t index, int64_t tile_channels, int64_t tile_rows) const {
    const int64_t begin = index * channels(), end = begin + channels();
    const bool inside = begin + channel < tile_channels;
    return {begin, end < tile_channels ? end : tile_channels, inside ? begin + channel : begin,
            inside ? tile_rows : 0};
  }
  // Its rows of chunk `index` of the strip, rows being c elements apart.
  template <int kRows>
  BASIN_DEVICE ChunkRows<kRows> rows_of(int64_t index, const Strip& strip, int64_t c) const {
    const int64_t first = index * lanes * kRows + lane;
    int count = 0;
    BASIN_UNROLL
    for (int i = 0; i < kRows; ++i) count += first + int64_t{i} * lanes < strip.rows ? 1 : 0;
    return {first * c, lanes * c, count};
  }
  // values[j] summed over the threads of the warp that have the channel; each of them gets the sum.
  template <class Block, class F, int N>
  BASIN_DEVICE void warp_sum(Block& block, F (&values)[N]) const {
    const int threads = block.num_threads() < kWarpSize ? block.num_threads() : kWarpSize;
    for (int mask = threads / 2; mask >= across; mask /= 2) {
      BASIN_UNROLL
      for (int j = 0; j < N; ++j) values[j] += block.shfl_xor(values[j], mask);
    }
  }
};

// A thread's part of a chunk.
template <class T, int W, int kRows>
struct Chunk {
  WidePack<T, W> at[kRows] = {};  // where there is no row, nothing
  BASIN_DEVICE void load(const ChunkRows<kRows>& rows, const T* from) {
    rows.each([&](int i, int64_t offset) { at[i] = WidePack<T, W>::load(from + offset); });
  }
};

// s = x, or x + residual, which is then also written.
template <class T>
struct NormInput {
  const T *x, *residual;
  T* sum;
  BASIN_DEVICE NormInput from(int64_t offset) const {
    if (residual == nullptr) return {x + offset, nullptr, nullptr};
    return {x + offset, residual + offset, sum + offset};
  }
  BASIN_DEVICE const T* values() const { return residual == nullptr ? x : sum; }  // of s, once read
  template <int W, int kRows>
  BASIN_DEVICE void read(const ChunkRows<kRows>& rows, Chunk<T, W, kRows>& s) const {
    s.load(rows, x);
    if (residual == nullptr) return;
    BASIN_UNROLL
    for (int k = 0; k < kRows; k += kAddedRows<W>) {  // few registers hold the residual
      WidePack<T, W> r[kAddedRows<W>] = {};
      rows.each(k, k + kAddedRows<W>,
                [&](int i, int64_t offset) { r[i - k] = WidePack<T, W>::load(residual + offset); });
      rows.each(k, k + kAddedRows<W>, [&](int i, int64_t offset) {
        Wide<T> total[W];
        BASIN_UNROLL
        for (int j = 0; j < W; ++j) total[j] = s.at[i][j] + r[i - k][j];
        s.at[i] = WidePack<T, W>::of(total);
        s.at[i].store(sum + offset);
      });
    }
  }
};

// What a pass reads of a thread's channels, in registers.
template <class F, int W>
struct ThreadParameters {
  F mean[W], scale[W], shift[W], floor;

  // Given mean, and rstd in scale; the others from `channel` on.
  BASIN_DEVICE void load(const F* gammas, const F* betas, F cut_off, int64_t channel) {
    F gamma[W];
    load_parameters(gammas + channel, gamma);
    load_parameters(betas + channel, shift);
    BASIN_UNROLL
    for (int j = 0; j < W; ++j) scale[j] = gamma[j] * scale[j];
    floor = cut_off;
  }
};

// Two values of each channel of a strip: each warp's, over the rows that it has seen; once joined,
// those of warp 0 are the block's. Thread k % num_threads joins channel k. The block is to meet
// before a strip's first chunk, and before a thread reads what others have joined.
struct WarpValues {
  double count[kTileWarps];  // rows
  double first[kTileWarps][kTileChannels], second[kTileWarps][kTileChannels];

  // first, second: the mean and the sum of squared deviations from it. `seen` counts the warp's
  // rows, from 0 for each strip.
  template <class Block, class T, int W, int kRows>
  BASIN_DEVICE void add_moments(Block& block, const TileThread<W>& thread,
                                const ChunkRows<kRows>& rows, const Chunk<T, W, kRows>& s,
                                double& seen) {
    using F = Wide<T>;
    F total[W + 1] = {};  // and how many
    rows.each([&](int i, int64_t) {
      BASIN_UNROLL
      for (int j = 0; j < W; ++j) total[j] += s.at[i][j];
    });
    total[W] = static_cast<F>(rows.count);
    thread.warp_sum(block, total);
    const F reciprocal = total[W] > 0 ? 1 / total[W] : 0;
    F from[W], d[W] = {}, d2[W] = {};
    BASIN_UNROLL
    for (int j = 0; j < W; ++j) from[j] = total[j] * reciprocal;
    rows.each([&](int i, int64_t) {
      BASIN_UNROLL
      for (int j = 0; j < W; ++j) {
        NormElement<F>::moments(s.at[i][j], from[j], d[j], d2[j]);
      }
    });
    thread.warp_sum(block, d);
    thread.warp_sum(block, d2);
    const auto now = static_cast<double>(total[W]);
    const double before = seen;
    seen += now;
    if (!thread.leads) return;
    const double share = now > 0 ? 1 / now : 0, weight = now > 0 ? now / seen : 0;
    BASIN_UNROLL
    for (int j = 0; j < W; ++j) {
      double& mean = first[thread.warp][thread.channel + j];
      double& m2 = second[thread.warp][thread.channel + j];
      const double old_mean = before > 0 ? mean : 0, old_m2 = before > 0 ? m2 : 0;
      const double shift = static_cast<double>(d[j]) * share;
      const double delta = static_cast<double>(from[j]) + shift - old_mean;
      mean = old_mean + delta * weight;
      m2 = old_m2 + static_cast<double>(d2[j]) - static_cast<double>(d[j]) * shift +
           delta * delta * before * weight;
    }
    if (thread.channel == 0) count[thread.warp] = seen;
  }
  template <class Block>
  BASIN_DEVICE void join_moments(Block& block, const Strip& strip, int64_t rows) {
    block.sync();
    const int warps = ceil_div(block.num_threads(), kWarpSize);
    for (int k = block.thread_rank(); k < strip.end - strip.begin; k += block.num_threads()) {
      double mean = 0, m2 = 0;
      for (int w = 0; w < warps; ++w) mean += count[w] * first[w][k];
      mean /= static_cast<double>(rows);
      for (int w = 0; w < warps; ++w) {
        const double d = first[w][k] - mean;
        m2 += second[w][k] + count[w] * d * d;
      }
      first[0][k] = mean;
      second[0][k] = m2;
    }
  }

  // first, second: the sums of dy and of dy * (s - mean), dy masked.
  template <class Block, class T, int W, int kRows>
  BASIN_DEVICE void add_sums(Block& block, const TileThread<W>& thread, bool is_first_chunk,
                             const ChunkRows<kRows>& rows, const Chunk<T, W, kRows>& dy,
                             const Chunk<T, W, kRows>& s, const ThreadParameters<Wide<T>, W>& p) {
    using F = Wide<T>;
    F a[W] = {}, b[W] = {};
    rows.each([&](int i, int64_t) {
      BASIN_UNROLL
      for (int j = 0; j < W; ++j) {
        NormElement<F>::sums(dy.at[i][j], s.at[i][j], p.mean[j], p.scale[j], p.shift[j], p.floor,
                             a[j], b[j]);
      }
    });
    thread.warp_sum(block, a);
    thread.warp_sum(block, b);
    if (!thread.leads) return;
    BASIN_UNROLL
    for (int j = 0; j < W; ++j) {
      double& all_a = first[thread.warp][thread.channel + j];
      double& all_b = second[thread.warp][thread.channel + j];
      all_a = (is_first_chunk ? 0 : all_a) + static_cast<double>(a[j]);
      all_b = (is_first_chunk ? 0 : all_b) + static_cast<double>(b[j]);
    }
  }
  template <class Block>
  BASIN_DEVICE void join_sums(Block& block, const Strip& strip) {
    block.sync();
    const int warps = ceil_div(block.num_threads(), kWarpSize);
    for (int k = block.thread_rank(); k < strip.end - strip.begin; k += block.num_threads()) {
      for (int w = 1; w < warps; ++w) {
        first[0][k] += first[w][k];
        second[0][k] += second[w][k];
      }
    }
  }
};

// y = act(norm(s)) in the rows of a chunk.
template <class T, int W, int kRows>
BASIN_DEVICE void normalise(const ChunkRows<kRows>& rows, const Chunk<T, W, kRows>& s,
                            const ThreadParameters<Wide<T>, W>& p, T* y) {
  using F = Wide<T>;
  rows.each([&](int i, int64_t offset) {
    F out[W];
    BASIN_UNROLL
    for (int j = 0; j < W; ++j) {
      out[j] = NormElement<F>::forward(s.at[i][j], p.mean[j], p.scale[j], p.shift[j], p.floor);
    }
    WidePack<T, W>::of(out).store(y + offset);
  });
}

// ds (=, +=) scale * dy - (offset + slope * (s - mean)), dy masked.
template <class T, int W, int kRows>
BASIN_DEVICE void backward(const ChunkRows<kRows>& rows, const Chunk<T, W, kRows>& dy,
                           const Chunk<T, W, kRows>& s, const ThreadParameters<Wide<T>, W>& p,
                           const Wide<T> (&offset)[W], const Wide<T> (&slope)[W], T* ds,
                           Write mode) {
  using F = Wide<T>;
  BASIN_UNROLL
  for (int k = 0; k < kRows; k += kAddedRows<W>) {  // few registers hold what is added to
    WidePack<T, W> before[kAddedRows<W>] = {};
    if (mode == Write::Accumulate) {
      rows.each(k, k + kAddedRows<W>,
                [&](int i, int64_t at) { before[i - k] = WidePack<T, W>::load(ds + at); });
    }
    rows.each(k, k + kAddedRows<W>, [&](int i, int64_t at) {
      F out[W];
      BASIN_UNROLL
      for (int j = 0; j < W; ++j) {
        out[j] = NormElement<F>::backward(dy.at[i][j], s.at[i][j], p.mean[j], p.scale[j],
                                          p.shift[j], p.floor, offset[j], slope[j]);
        if (mode == Write::Accumulate) out[j] = before[i - k][j] + out[j];
      }
      WidePack<T, W>::of(out).store(ds + at);
    });
  }
}

}  // namespace basin
