// Random directions and their filters' norms as bodies.
#pragma once

#include "kernels/landscape.h"
#include "kernels/map.cuh"

namespace basin {

// out[i] = numbers.at(i) for i in [0, n).
template <class T>
struct FillNormalBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, const NormalNumbers& numbers, int64_t n,
                               Access access, T* out) const {
    constexpr int64_t width = kPackSize<T>;
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    const int64_t packs = access == Access::Packed ? n / width : 0;
    for (int64_t p = rank; p < packs; p += stride) {
      Pack16<T> pack;
      for (int j = 0; j < width; ++j) pack.value[j] = static_cast<T>(numbers.at(p * width + j));
      store_pack(out + p * width, pack, Access::Packed);
    }
    for (int64_t i = packs * width + rank; i < n; i += stride) {
      out[i] = static_cast<T>(numbers.at(i));
    }
  }
};

// d[f] *= |w[f]| / (|d[f]| + 1e-12); a block takes a filter at a time.  w, d: [filters, size].
// Narrow accesses: a filter begins anywhere, and a direction is normalised once.
template <class T>
struct FilterNormaliseBody {
  struct Shared {
    double partial[kMaxWarps];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t filters, int64_t size,
                               const T* w, T* d) const {
    using std::sqrt;
    for (int64_t f = block.block_rank(); f < filters; f += block.num_blocks()) {
      double ww = 0, dd = 0;
      for (int64_t i = block.thread_rank(); i < size; i += block.num_threads()) {
        ww = SquareTerm::add(ww, w[f * size + i]);
        dd = SquareTerm::add(dd, d[f * size + i]);
      }
      ww = block_sum(block, shared.partial, ww);
      dd = block_sum(block, shared.partial, dd);
      const T ratio = static_cast<T>(sqrt(ww) / (sqrt(dd) + kNormGuard));
      for (int64_t i = block.thread_rank(); i < size; i += block.num_threads()) {
        d[f * size + i] *= ratio;
      }
    }
  }
};

}  // namespace basin
