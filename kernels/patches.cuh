// Unfolding and folding as bodies: a thread takes a few channels of one place.
#pragma once

#include "kernels/map.cuh"
#include "kernels/patches.h"

namespace basin {

// Where row r's tap t reads: the pixel's index, or -1 in the padding.
BASIN_HD int64_t tap_pixel(const ConvShape& s, int64_t r, int64_t t) {
  const int64_t q = r % s.w_out(), p = r / s.w_out() % s.h_out(), i = r / s.w_out() / s.h_out();
  const int64_t row = p * s.stride + t / s.kernel - s.padding;
  const int64_t column = q * s.stride + t % s.kernel - s.padding;
  const bool inside = row >= 0 && row < s.h && column >= 0 && column < s.w;
  return inside ? (i * s.h + row) * s.w + column : -1;
}

// The row whose tap t reads a pixel, or -1 where there is none.
BASIN_HD int64_t tap_row(const ConvShape& s, int64_t pixel, int64_t t) {
  const int64_t column = pixel % s.w, row = pixel / s.w % s.h, i = pixel / s.w / s.h;
  const int64_t p = row + s.padding - t / s.kernel, q = column + s.padding - t % s.kernel;
  if (p < 0 || q < 0 || p % s.stride != 0 || q % s.stride != 0) return -1;
  if (p / s.stride >= s.h_out() || q / s.stride >= s.w_out()) return -1;
  return (i * s.h_out() + p / s.stride) * s.w_out() + q / s.stride;
}

// Packed: c_in is a multiple of a pack.
template <class T>
struct UnfoldBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, const ConvShape& s, Access access, const T* x,
                               T* patches) const {
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    const int64_t width = access == Access::Packed ? kPackSize<T> : 1;
    const int64_t taps = s.kernel * s.kernel, parts = s.c_in / width;
    const int64_t all = patch_count(s) * taps * parts;
    for (int64_t k = rank; k < all; k += stride) {
      const int64_t c = k % parts * width, tap = k / parts;
      const int64_t pixel = tap_pixel(s, tap / taps, tap % taps);
      if (access == Access::Packed) {
        const Pack16<T> pack =
            pixel < 0 ? Pack16<T>{} : load_pack(x + pixel * s.c_in + c, Access::Packed);
        store_pack(patches + k * width, pack, Access::Packed);
      } else {
        patches[k] = pixel < 0 ? T(0) : x[pixel * s.c_in + c];
      }
    }
  }
};

template <class T>
struct FoldBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, const ConvShape& s, Access access,
                               const T* patches, T* x, Write mode) const {
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    const int64_t width = access == Access::Packed ? kPackSize<T> : 1;
    const int64_t taps = s.kernel * s.kernel, parts = s.c_in / width;
    for (int64_t k = rank; k < s.n * s.h * s.w * parts; k += stride) {
      const int64_t c = k % parts * width, pixel = k / parts;
      if (access == Access::Packed) {
        Pack16<T> total{};
        if (mode == Write::Accumulate) total = load_pack(x + k * width, Access::Packed);
        for (int64_t t = 0; t < taps; ++t) {
          const int64_t row = tap_row(s, pixel, t);
          if (row < 0) continue;
          const Pack16<T> term = load_pack(patches + (row * taps + t) * s.c_in + c, Access::Packed);
          for (int j = 0; j < kPackSize<T>; ++j) total.value[j] += term.value[j];
        }
        store_pack(x + k * width, total, Access::Packed);
      } else {
        T total = mode == Write::Accumulate ? x[k] : T(0);
        for (int64_t t = 0; t < taps; ++t) {
          const int64_t row = tap_row(s, pixel, t);
          if (row >= 0) total += patches[(row * taps + t) * s.c_in + c];
        }
        x[k] = total;
      }
    }
  }
};

}  // namespace basin
