// Conversion as a body: packs of 16 bytes of the wider type where both arrays lie on them, single
// elements otherwise.
#pragma once

#include <cstdint>

#include "kernels/map.cuh"
#include "kernels/wide_pack.cuh"

namespace basin {

template <class From, class To>
inline constexpr int kConvertWidth = sizeof(From) > sizeof(To) ? kPackSize<From> : kPackSize<To>;

// y[i] (=, +=) x[i] for i in [0, n).
// Narrow accesses: of the narrower type, where 16 bytes are the wider one's.
template <class From, class To>
struct ConvertBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t n, Access access, const From* x,
                               To* y, Write mode) const {
    constexpr int width = kConvertWidth<From, To>;
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    const int64_t packs = access == Access::Packed ? n / width : 0;
    for (int64_t p = rank; p < packs; p += stride) put<width>(x + p * width, y + p * width, mode);
    for (int64_t i = packs * width + rank; i < n; i += stride) put<1>(x + i, y + i, mode);
  }

 private:
  template <int W>
  BASIN_DEVICE static void put(const From* x, To* y, Write mode) {
    const auto from = WidePack<From, W>::load(x);
    Wide<To> values[W];
    for (int j = 0; j < W; ++j) values[j] = from[j];
    if (mode == Write::Accumulate) {
      const auto before = WidePack<To, W>::load(y);
      for (int j = 0; j < W; ++j) values[j] = before[j] + values[j];
    }
    WidePack<To, W>::of(values).store(y);
  }
};

}  // namespace basin
