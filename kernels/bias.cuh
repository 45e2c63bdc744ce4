// Bias as a body: whole packs where a row is a whole number of them, single elements otherwise.
#pragma once

#include <cstdint>

#include "kernels/bias.h"
#include "kernels/map.cuh"

namespace basin {

// y[i] = x[i] + b[i mod columns] for i in [0, n).  Packed: every array lies on 16 bytes, and
// columns is a multiple of the pack.
template <class T>
struct BiasBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t n, int64_t columns, Access access,
                               const T* x, const T* b, T* y) const {
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    if (access == Access::Single) {
      for (int64_t i = rank; i < n; i += stride) y[i] = BiasAdd<T>::of(x[i], b[i % columns]);
      return;
    }
    constexpr int64_t width = kPackSize<T>;
    for (int64_t i = rank * width; i < n; i += stride * width) {
      Pack16<T> values = load_pack(x + i, Access::Packed);
      const Pack16<T> bias = load_pack(b + i % columns, Access::Packed);
      for (int j = 0; j < width; ++j) {
        values.value[j] = BiasAdd<T>::of(values.value[j], bias.value[j]);
      }
      store_pack(y + i, values, Access::Packed);
    }
  }
};

}  // namespace basin
