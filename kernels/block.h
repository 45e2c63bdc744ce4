// What a block kernel may ask of its Block, in the words of cooperative groups, and the reductions
// written on it. A body is a struct with its nested `Shared` memory, called by every thread as
// `body(block, shared, parameters...)`; it names no device word, so any compiler takes it.
#pragma once

#include <concepts>
#include <cstdint>

#include "kernels/platform.h"

namespace basin {

inline constexpr int kWarpSize = 32;
inline constexpr int kMaxWarps = 32;

// thread_rank() in [0, num_threads()), block_rank() in [0, num_blocks()); sync() is a barrier of
// all threads of the block; shfl_xor(v, mask) is the v of the thread of this warp whose rank
// differs by `mask`: every thread of the warp calls it, in converged code. num_threads() is a
// multiple of kWarpSize, or a power of two below it.
template <class Block>
concept IsBlock = requires(Block block, double v) {
  { block.thread_rank() } -> std::convertible_to<int>;
  { block.num_threads() } -> std::convertible_to<int>;
  { block.block_rank() } -> std::convertible_to<int64_t>;
  { block.num_blocks() } -> std::convertible_to<int64_t>;
  { block.shfl_xor(v, 1) } -> std::convertible_to<double>;
  block.sync();
};

// The values of all threads of the block joined by `join` (commutative), in one fixed tree; every
// thread gets the result. `partial` is shared memory, free again after the next sync(); `identity`
// stands in for absent warps.
template <class Block, class T, class Join>
BASIN_DEVICE T block_reduce(Block& block, T (&partial)[kMaxWarps], T value, T identity,
                            const Join& join) {
  const int threads = block.num_threads();
  const int lanes = threads < kWarpSize ? threads : kWarpSize;
  for (int mask = lanes / 2; mask > 0; mask /= 2) value = join(value, block.shfl_xor(value, mask));
  if (threads <= kWarpSize) return value;
  const int lane = block.thread_rank() % kWarpSize;
  block.sync();  // an earlier reduction may still be reading `partial`
  if (lane == 0) partial[block.thread_rank() / kWarpSize] = value;
  block.sync();
  value = lane < threads / kWarpSize ? partial[lane] : identity;
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
    value = join(value, block.shfl_xor(value, mask));
  }
  return value;
}

struct JoinSum {
  template <class T>
  BASIN_HD T operator()(T a, T b) const {
    return a + b;
  }
};
// NaN if either is NaN.
struct JoinMax {
  template <class T>
  BASIN_HD T operator()(T a, T b) const {
    return b > a || b != b ? b : a;
  }
};

// The sum of the values of all threads, to every thread. All threads of the block call it.
template <class Block, class T>
BASIN_DEVICE T block_sum(Block& block, T (&partial)[kMaxWarps], T value) {
  return block_reduce(block, partial, value, T(0), JoinSum{});
}

// The greatest of the values of all threads (NaN if any is NaN), to every thread.
template <class Block, class T>
BASIN_DEVICE T block_max(Block& block, T (&partial)[kMaxWarps], T value) {
  return block_reduce(block, partial, value, static_cast<T>(-__builtin_huge_val()), JoinMax{});
}

}  // namespace basin
