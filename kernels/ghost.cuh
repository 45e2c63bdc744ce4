// The small kernels of ghost gradients as bodies.
#pragma once

#include <cmath>

#include "kernels/block.h"
#include "kernels/ghost.h"

namespace basin {

// results[g] = sum of a[g, i] b[g, i]; a block takes a group at a time.
// Narrow accesses: a group's products are few.
template <class T>
struct GroupDotsBody {
  struct Shared {
    double partial[kMaxWarps];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t groups, int64_t n, const T* a,
                               const T* b, double* results) const {
    for (int64_t g = block.block_rank(); g < groups; g += block.num_blocks()) {
      double total = 0;
      for (int64_t i = block.thread_rank(); i < n; i += block.num_threads()) {
        total += static_cast<double>(a[g * n + i]) * static_cast<double>(b[g * n + i]);
      }
      total = block_sum(block, shared.partial, total);
      if (block.thread_rank() == 0) results[g] = total;
    }
  }
};

// x[g, i] *= scales[g].
// Narrow accesses: a group's products are few, and begin anywhere.
template <class T>
struct ScaleGroupsBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t groups, int64_t n,
                               const double* scales, T* x) const {
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    for (int64_t i = rank; i < groups * n; i += stride) x[i] *= static_cast<T>(scales[i / n]);
  }
};

// The norm of group g made whole, and its scale. Where rows cancel, rounding can leave less than 0.
BASIN_HD void ghost_scale(int64_t g, int64_t groups, int64_t rows, const double* ghosts,
                          const double* rho, Normalise normalise, double* squared_norms,
                          double* scales) {
  double total = squared_norms[g];
  for (int64_t k = 0; k < rows; ++k) total += ghosts[k * groups + g];
  if (total < 0) total = 0;
  squared_norms[g] = total;
  scales[g] = SamAscent<double>{&total, rho, normalise}.load().s;
}

// Narrow accesses: a thread has a group to itself.
struct GhostScalesBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t groups, int64_t rows,
                               const double* ghosts, const double* rho, Normalise normalise,
                               double* squared_norms, double* scales) const {
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    for (int64_t g = rank; g < groups; g += stride) {
      ghost_scale(g, groups, rows, ghosts, rho, normalise, squared_norms, scales);
    }
  }
};

}  // namespace basin
