// Unfolding and folding on a CPU: a window's row of pixels lies together in both arrays.
#include "kernels/patches.h"

#include <algorithm>

#include "kernels/has_cuda.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {
namespace {

// The columns [first, last) of the window at output column q that lie in the image.
struct Columns {
  int64_t first, last;
  Columns(const ConvShape& s, int64_t q)
      : first(std::clamp<int64_t>(s.padding - q * s.stride, 0, s.kernel)),
        last(std::clamp<int64_t>(s.w + s.padding - q * s.stride, first, s.kernel)) {}
};

// body(patch's row, x's row) of image i for each row of a window in the image; missing(patch's row)
// for the others. `first`, `count`: elements of it that lie in the image.
template <class Body, class Missing>
void for_window_rows(const ConvShape& s, int64_t i, const Body& body, const Missing& missing) {
  const int64_t line = s.kernel * s.c_in;
  for (int64_t p = 0; p < s.h_out(); ++p) {
    for (int64_t q = 0; q < s.w_out(); ++q) {
      const Columns columns(s, q);
      const int64_t skip = columns.first * s.c_in;
      const int64_t count = (columns.last - columns.first) * s.c_in;
      for (int64_t a = 0; a < s.kernel; ++a) {
        const int64_t row = p * s.stride + a - s.padding;
        const int64_t to = (((i * s.h_out() + p) * s.w_out() + q) * s.kernel + a) * line;
        if (row < 0 || row >= s.h || count == 0) {
          missing(to, 0, line);
          continue;
        }
        const int64_t column = q * s.stride + columns.first - s.padding;
        missing(to, 0, skip);
        body(to + skip, ((i * s.h + row) * s.w + column) * s.c_in, count);
        missing(to, skip + count, line);
      }
    }
  }
}

template <class T>
void unfold(const Stream& stream, const ConvShape& s, const T* x, T* patches) {
  parallel_ranges(stream, s.n, 1, unfold_cost<T>(s).bytes(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for_window_rows(
          s, i,
          [&](int64_t to, int64_t from, int64_t count) {
            std::copy(x + from, x + from + count, patches + to);
          },
          [&](int64_t to, int64_t first, int64_t last) {
            std::fill(patches + to + first, patches + to + last, T(0));
          });
    }
  });
}

// Row after row of the patches, so that a pixel's terms come in the order of the rows.
template <class T>
void fold(const Stream& stream, const ConvShape& s, const T* patches, T* x, Write mode) {
  parallel_ranges(stream, s.n, 1, unfold_cost<T>(s).bytes(), [&](int64_t begin, int64_t end) {
    const int64_t image = s.h * s.w * s.c_in;
    if (mode == Write::Overwrite) std::fill(x + begin * image, x + end * image, T(0));
    vectorised([&s, patches, x, begin, end]() {
      for (int64_t i = begin; i < end; ++i) {
        for_window_rows(
            s, i,
            [&](int64_t from, int64_t to, int64_t count) {
              const T* terms = patches + from;
              T* sums = x + to;
#pragma omp simd
              for (int64_t k = 0; k < count; ++k) sums[k] += terms[k];
            },
            [](int64_t, int64_t, int64_t) {});
      }
    });
  });
}

}  // namespace
}  // namespace cpu

template <class T>
void unfold(const Stream& stream, const ConvShape& shape, const T* x, T* patches) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::unfold(stream, shape, x, patches);
  }
  cpu::unfold(stream, shape, x, patches);
}

template <class T>
void fold(const Stream& stream, const ConvShape& shape, const T* patches, T* x, Write mode) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::fold(stream, shape, patches, x, mode);
  }
  cpu::fold(stream, shape, patches, x, mode);
}

#define BASIN_INSTANTIATE_PATCHES(T)                                   \
  template void unfold(const Stream&, const ConvShape&, const T*, T*); \
  template void fold(const Stream&, const ConvShape&, const T*, T*, Write);

BASIN_INSTANTIATE_PATCHES(float)
BASIN_INSTANTIATE_PATCHES(double)

}  // namespace basin
