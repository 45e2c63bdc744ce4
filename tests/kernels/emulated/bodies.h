// Bodies with a fault planted, and one without, for the tests of the emulated device.
#pragma once

#include <cstdint>

#include "kernels/block.h"
#include "kernels/map.cuh"

namespace basin::test {

struct NoShared {};

// out[thread] = the sum of the ranks of all threads of its block.
struct SumOfRanks {
  struct Shared {
    int64_t partial[kMaxWarps];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t* out) const {
    const int64_t rank = block.thread_rank();
    const int64_t at = block.block_rank() * block.num_threads() + rank;
    out[at] = block_sum(block, shared.partial, rank);
  }
};

// Each thread reads what its neighbour has written to shared memory; with the barrier, always.
template <bool kBarrier>
struct ReadNeighbour {
  struct Shared {
    int32_t value[1024];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int32_t* out) const {
    const int rank = block.thread_rank(), threads = block.num_threads();
    shared.value[rank] = rank;
    if constexpr (kBarrier) block.sync();
    out[block.block_rank() * threads + rank] = shared.value[(rank + 1) % threads];
  }
};

// What fresh shared memory holds.
struct CopyShared {
  struct Shared {
    double value;
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, double* out) const {
    if (block.thread_rank() == 0) out[block.block_rank()] = shared.value;
  }
};

// Blocks write the same place: the last one wins.
struct BlocksRace {
  using Shared = NoShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t* out) const {
    if (block.thread_rank() == 0) *out = block.block_rank();
  }
};

// Half of the threads come to the barrier; or to another one; or another shuffle.
struct HalfSync {
  using Shared = NoShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&) const {
    if (block.thread_rank() % 2 == 0) block.sync();
  }
};
struct TwoSyncs {
  using Shared = NoShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&) const {
    if (block.thread_rank() % 2 == 0) {
      block.sync();
    } else {
      block.sync();
    }
  }
};
struct HalfShuffle {
  using Shared = NoShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&) const {
    if (block.thread_rank() < 40) block.shfl_xor(1.0f, 1);
  }
};
struct MasksDiffer {
  using Shared = NoShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&) const {
    block.shfl_xor(1.0f, block.thread_rank() == 5 ? 2 : 1);
  }
};

struct LargeShared {
  struct Shared {
    double value[48 * 128 + 1];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block&, Shared&) const {}
};

// x[at] = value, by one thread.
template <class T>
struct Poke {
  using Shared = NoShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, T* x, int64_t at, T value) const {
    if (block.thread_rank() == 0 && block.block_rank() == 0) x[at] = value;
  }
};

// x[0] += 1, by one thread.
struct Increment {
  using Shared = NoShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int32_t* x) const {
    if (block.thread_rank() == 0 && block.block_rank() == 0) ++*x;
  }
};

// One 16-byte access, whether x lies on 16 bytes or not.
struct LoadPack {
  using Shared = NoShared;
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, const float* x, float* out) const {
    const Pack16<float> pack = load_pack(x, Access::Packed);
    if (block.thread_rank() == 0) *out = pack.value[3];
  }
};

}  // namespace basin::test
