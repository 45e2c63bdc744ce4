// Reductions as bodies. What a thread adds, and in which order, depends on the sizes and the number
// of threads in a block alone: not on the number of blocks, nor on an array's alignment.
#pragma once

#include <cstdint>

#include "kernels/block.h"
#include "kernels/map.cuh"
#include "kernels/reduce.h"

namespace basin {

// partials[b] = the sum of Term over elements [b, b + 1) * kReduceBlock of x: [n], and behind them
// the partials of the other groups.
template <class Term, class T>
struct ReduceBlocks {
  struct Shared {
    double partial[kMaxWarps];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, ParameterGroups groups, int64_t n,
                               const T* x, double* partials) const {
    constexpr int64_t width = kPackSize<T>;
    const int64_t each = reduce_partials(n), all = groups.count * each;
    for (int64_t b = block.block_rank(); b < all; b += block.num_blocks()) {
      const int64_t group = groups.count == 1 ? 0 : b / each,
                    first = (b - group * each) * kReduceBlock;
      const T* from = x + group * groups.stride + first;
      const Access access = access_of(from);
      const int64_t left = n - first;
      const int64_t count = left < kReduceBlock ? left : kReduceBlock;
      double total = 0;
      for (int64_t p = block.thread_rank(); p < count / width; p += block.num_threads()) {
        const Pack16<T> pack = load_pack(from + p * width, access);
        for (int j = 0; j < width; ++j) total = Term::add(total, pack.value[j]);
      }
      const int64_t tail = count / width * width + block.thread_rank();
      for (int64_t i = tail; i < count; i += block.num_threads()) {
        total = Term::add(total, from[i]);
      }
      total = block_sum(block, shared.partial, total);
      if (block.thread_rank() == 0) partials[b] = total;
    }
  }
};

// results[g] = the sum of partials[g]: [groups, count]; a block a group.
struct JoinPartials {
  struct Shared {
    double partial[kMaxWarps];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t groups, int64_t count,
                               const double* partials, double* results) const {
    for (int64_t g = block.block_rank(); g < groups; g += block.num_blocks()) {
      double total = 0;
      for (int64_t i = block.thread_rank(); i < count; i += block.num_threads()) {
        total += partials[g * count + i];
      }
      total = block_sum(block, shared.partial, total);
      if (block.thread_rank() == 0) results[g] = total;
    }
  }
};

// partials[b, c] = the sum of x[r, c] over rows r in [b, b + 1) * kColumnRows of a group's `rows`,
// the groups one behind the other.  A block of threads takes a tile of columns; a warp its rows in
// turn, so that neighbours read neighbours.
template <class T>
struct ColumnBlocks {
  static constexpr int kTile = kWarpSize, kMaxLanes = 8;
  static constexpr int kThreads = kTile * kMaxLanes;  // at most
  struct Shared {
    T partial[kMaxLanes][kTile];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t groups, int64_t rows,
                               int64_t columns, const T* x, T* partials) const {
    const int across = block.num_threads() < kTile ? block.num_threads() : kTile;
    const int lanes = block.num_threads() / across;
    const int lane = block.thread_rank() / across, first = block.thread_rank() % across;
    const int64_t tiles = ceil_div<int64_t>(columns, kTile);
    const int64_t blocks = ceil_div(rows, kColumnRows), tasks = groups * blocks * tiles;
    for (int64_t task = block.block_rank(); task < tasks; task += block.num_blocks()) {
      const int64_t b = task / tiles, column = task % tiles * kTile;
      const int64_t group = groups == 1 ? 0 : b / blocks, last = (group + 1) * rows;
      const int64_t begin = group * rows + (b - group * blocks) * kColumnRows;
      const int64_t end = begin + kColumnRows < last ? begin + kColumnRows : last;
      for (int c = first; c < kTile; c += across) {
        T total = 0;
        if (column + c < columns) {
          for (int64_t r = begin + lane; r < end; r += lanes) total += x[r * columns + column + c];
        }
        shared.partial[lane][c] = total;
      }
      block.sync();
      if (lane == 0) {
        for (int c = first; c < kTile && column + c < columns; c += across) {
          T total = shared.partial[0][c];
          for (int k = 1; k < lanes; ++k) total += shared.partial[k][c];
          partials[b * columns + column + c] = total;
        }
      }
      block.sync();
    }
  }
};

// sums[c] (=, +=) the sum of partials[b, c] over b, in its order, for each group.
// Narrow accesses: columns are few, so that each has a thread to itself.
template <class T>
struct ColumnJoin {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, ParameterGroups groups, int64_t blocks,
                               int64_t columns, const T* partials, T* sums, Write mode) const {
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    for (int64_t i = rank; i < groups.count * columns; i += stride) {
      const int64_t group = groups.count == 1 ? 0 : i / columns, c = i - group * columns;
      const T* from = partials + group * blocks * columns + c;
      double total = 0;
      for (int64_t b = 0; b < blocks; ++b) total += static_cast<double>(from[b * columns]);
      const T value = static_cast<T>(total);
      T& to = sums[group * groups.stride + c];
      to = mode == Write::Overwrite ? value : to + value;
    }
  }
};

// out[i] = sum_k parts[k][i] + decay * w[i] (w may be null).  More parts than kMost take several
// launches, of which the first array is then `out`.  The loops over the parts have constant bounds,
// so that they unroll: an array that is indexed at run time would be copied to every thread's
// stack.
template <class T>
struct SumPartsBody {
  static constexpr int kMost = 16;
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t n,
                               const Arrays<const T, kMost>& parts, int count, Access access,
                               T decay, const T* w, T* out) const {
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    constexpr int64_t width = kPackSize<T>;
    const int64_t packs = n / width;
    for (int64_t p = rank; p < packs; p += stride) {
      Pack16<T> total = load_pack(parts.at[0] + p * width, access);
      for (int k = 1; k < kMost; ++k) {
        if (k >= count) continue;
        const Pack16<T> part = load_pack(parts.at[k] + p * width, access);
        for (int j = 0; j < width; ++j) total.value[j] += part.value[j];
      }
      if (w != nullptr) {
        const Pack16<T> weight = load_pack(w + p * width, access);
        for (int j = 0; j < width; ++j) total.value[j] += decay * weight.value[j];
      }
      store_pack(out + p * width, total, access);
    }
    for (int64_t i = packs * width + rank; i < n; i += stride) {
      T total = parts.at[0][i];
      for (int k = 1; k < kMost; ++k) {
        if (k < count) total += parts.at[k][i];
      }
      if (w != nullptr) total += decay * w[i];
      out[i] = total;
    }
  }
};

}  // namespace basin
