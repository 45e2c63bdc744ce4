// What the norms' bodies share. A block of threads works on a tile, rows of neighbouring channels,
// in chunks that it holds in registers: a thread has a pack of W channels, the same ones in every
// row, of up to kRows rows. Sums of a channel go over the thread's rows and over its warp in the
// type of the arithmetic, then over chunks and warps in float64. Nothing is divided in float64 on
// the way from a load to its store: that takes hundreds of cycles, in which nothing else moves.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/map.cuh"
#include "kernels/norm_act.h"
#include "kernels/wide_pack.cuh"

namespace basin {

inline constexpr int kTileThreads = 256;  // of a block, at most
inline constexpr int kTileWarps = kTileThreads / kWarpSize;
inline constexpr int kTileChannels = 64;  // side by side, at most
// Threads side by side, at most.
template <int W>
inline constexpr int kTileAcross = kTileChannels / W < kWarpSize ? kTileChannels / W : kWarpSize;
// Rows of a thread where a chunk is used twice: of 128 bytes together, at most.
template <class T, int W>
inline constexpr int kHeldRows = W * sizeof(T) == 8 ? 16 : 8;
inline constexpr int kPassRows = 4;  // where it is read, used once and written
// Rows of one more array that are added at once where a thread holds kArrays.
template <int kRows, int kArrays>
inline constexpr int kAddedRows = kRows > kPassRows ? kRows / (2 * kArrays) : kPassRows;

// Blocks of a multiprocessor: some load while others compute. Of double's there is one: its values
// take twice the registers.
template <class T, int kBlocks>
struct TileBounds {
  static constexpr int kMaxThreads = kTileThreads;
  static constexpr int kResidentBlocks = sizeof(T) > 4 ? 1 : kBlocks;
};

// Values of an access, at most, where channels are summed: each has sums of its own, which take
// registers and shuffles.
inline constexpr int kSumWidth = 4;

// body(integral_constant<W>): accesses of 16 bytes (or kMost values) where every row of c values of
// T and every array lies on them, otherwise of one value.
template <class T, int kMost, class Body, class... Pointers>
void by_width(int64_t c, const Body& body, const Pointers*... pointers) {
  constexpr int width = kMost < kPackSize<T> ? kMost : kPackSize<T>;
  if (c % width == 0 && access_of(pointers...) == Access::Packed) {
    body(std::integral_constant<int, width>{});
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
  int begin, end, channel;
  int64_t rows;
};

// The rows of a chunk that a thread has: how many, and the offsets of their elements.
template <int kRows>
struct ChunkRows {
  int64_t offset, step;  // 64 bits wide, or the compiler stores each value of a pack by itself
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
  int across, lanes, lane, channel, warp;
  bool leads;  // its warp, for its channels

  template <class Block>
  BASIN_DEVICE TileThread(const Block& block, int64_t channels) {
    const int threads = block.num_threads(), rank = block.thread_rank();
    const int most = threads < kTileAcross<W> ? threads : kTileAcross<W>;
    int bits = 0;
    while (1 << bits < most && W << bits < channels) ++bits;
    across = 1 << bits;
    lanes = threads >> bits;
    lane = rank >> bits;
    channel = (rank & (across - 1)) * W;
    warp = rank / kWarpSize;
    leads = rank % kWarpSize < across;
  }
  BASIN_DEVICE int channels() const { return across * W; }
  // Strip `index` of a tile.
  BASIN_DEVICE Strip strip(int64_t index, int64_t tile_channels, int64_t tile_rows) const {
    const int begin = static_cast<int>(index) * channels(), all = static_cast<int>(tile_channels);
    const int end = begin + channels();
    const bool inside = begin + channel < all;
    return {begin, end < all ? end : all, inside ? begin + channel : begin, inside ? tile_rows : 0};
  }
  // Its rows of chunk `index` of the strip, rows being c elements apart and the tile beginning at
  // `offset`.
  template <int kRows>
  BASIN_DEVICE ChunkRows<kRows> rows_of(int64_t index, const Strip& strip, int64_t c,
                                        int64_t offset) const {
    const int64_t first = index * lanes * kRows + lane, left = strip.rows - first;
    const int most = lanes * kRows, part = left < most ? static_cast<int>(left) : most;
    return {offset + first * c + strip.channel, lanes * c, part > 0 ? ceil_div(part, lanes) : 0};
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
    *this = {};
    rows.each([&](int i, int64_t offset) { at[i] = WidePack<T, W>::load(from + offset); });
  }
};

// s = x, or x + residual, which is then also written.
template <class T>
struct NormInput {
  const T *x, *residual;
  T* sum;
  BASIN_DEVICE const T* values() const { return residual == nullptr ? x : sum; }  // of s, once read
  template <int W, int kRows>
  BASIN_DEVICE void read(const ChunkRows<kRows>& rows, Chunk<T, W, kRows>& s) const {
    if (residual == nullptr) return s.load(rows, x);
    constexpr int added = kAddedRows<kRows, 1>;
    s = {};
    BASIN_UNROLL
    for (int k = 0; k < kRows; k += added) {  // few registers hold the residual
      WidePack<T, W> r[added] = {};
      rows.each(k, k + added, [&](int i, int64_t offset) {
        s.at[i] = WidePack<T, W>::load(x + offset);
        r[i - k] = WidePack<T, W>::load(residual + offset);
      });
      rows.each(k, k + added, [&](int i, int64_t offset) {
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

// put(j, pivot) for each of a thread's channels, by one thread a channel: the mean of warp 0's rows
// of a strip's first chunk, among which there are some. Of deviations from a value that is the mean
// of m of n rows, the sum of squares is at most 1 + n / m times that of deviations from their mean:
// float64 subtracts the excess. The block meets behind it.
template <class Block, class T, int W, int kRows, class Put>
BASIN_DEVICE void choose_pivots(Block& block, const TileThread<W>& thread,
                                const ChunkRows<kRows>& rows, const Chunk<T, W, kRows>& s,
                                const Put& put) {
  using F = Wide<T>;
  if (thread.warp == 0) {
    F total[W + 1] = {};  // and how many
    BASIN_UNROLL
    for (int i = 0; i < kRows; ++i) {
      BASIN_UNROLL
      for (int j = 0; j < W; ++j) total[j] += s.at[i][j];
    }
    total[W] = static_cast<F>(rows.count);
    thread.warp_sum(block, total);
    if (thread.leads && rows.count > 0) {
      const F share = 1 / total[W];
      BASIN_UNROLL
      for (int j = 0; j < W; ++j) put(j, total[j] * share);
    }
  }
  block.sync();
}

// Two sums of each channel of a strip: each warp's, over the chunks that it has seen.
struct ChannelSums {
  double first[kTileWarps][kTileChannels], second[kTileWarps][kTileChannels];

  // The sums of s - pivot and of its square.
  template <class Block, class T, int W, int kRows>
  BASIN_DEVICE void add_moments(Block& block, const TileThread<W>& thread, bool is_first_chunk,
                                const ChunkRows<kRows>& rows, const Chunk<T, W, kRows>& s,
                                const Wide<T> (&pivot)[W]) {
    Wide<T> a[W] = {}, b[W] = {};
    BASIN_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const bool present = i < rows.count;
      BASIN_UNROLL
      for (int j = 0; j < W; ++j) {
        const Wide<T> value = present ? s.at[i][j] : pivot[j];
        NormElement<Wide<T>>::moments(value, pivot[j], a[j], b[j]);
      }
    }
    add(block, thread, is_first_chunk, a, b);
  }

  // The sums of dy and of dy * (s - mean), dy masked; where there is no row, dy is 0.
  template <class Block, class T, int W, int kRows>
  BASIN_DEVICE void add_gradients(Block& block, const TileThread<W>& thread, bool is_first_chunk,
                                  const Chunk<T, W, kRows>& dy, const Chunk<T, W, kRows>& s,
                                  const ThreadParameters<Wide<T>, W>& p) {
    Wide<T> a[W] = {}, b[W] = {};
    BASIN_UNROLL
    for (int i = 0; i < kRows; ++i) {
      BASIN_UNROLL
      for (int j = 0; j < W; ++j) {
        NormElement<Wide<T>>::sums(dy.at[i][j], s.at[i][j], p.mean[j], p.scale[j], p.shift[j],
                                   p.floor, a[j], b[j]);
      }
    }
    add(block, thread, is_first_chunk, a, b);
  }

  // done(k, a, b) with the block's sums of each channel k of the strip, a thread a channel. The
  // block is to meet before the next strip's are added.
  template <class Block, class Done>
  BASIN_DEVICE void join(Block& block, const Strip& strip, const Done& done) const {
    block.sync();
    const int warps = ceil_div(block.num_threads(), kWarpSize);
    for (int k = block.thread_rank(); k < strip.end - strip.begin; k += block.num_threads()) {
      double a = 0, b = 0;
      for (int w = 0; w < warps; ++w) {
        a += first[w][k];
        b += second[w][k];
      }
      done(k, a, b);
    }
  }

 private:
  template <class Block, class F, int W>
  BASIN_DEVICE void add(Block& block, const TileThread<W>& thread, bool is_first_chunk, F (&a)[W],
                        F (&b)[W]) {
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
  constexpr int added = kAddedRows<kRows, 2>;
  BASIN_UNROLL
  for (int k = 0; k < kRows; k += added) {  // few registers hold what is added to
    WidePack<T, W> before[added] = {};
    if (mode == Write::Accumulate) {
      rows.each(k, k + added,
                [&](int i, int64_t at) { before[i - k] = WidePack<T, W>::load(ds + at); });
    }
    rows.each(k, k + added, [&](int i, int64_t at) {
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
