#include "kernels/pool.h"

#include <algorithm>

#include "kernels/has_cuda.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace {

// dst += scale * src, over one position's channels.
template <class To, class From, class Scale>
void add_scaled(To* dst, const From* src, Scale scale, int64_t c) {
#pragma omp simd
  for (int64_t k = 0; k < c; ++k) dst[k] = dst[k] + scale * src[k];
}

// body(where a position's channels begin in y, and in x) for each position of each window of an
// image.
template <class Body>
void each_tap(const PoolShape& s, const Body& body) {
  for (int64_t r = 0; r < s.h_out(); ++r) {
    for (int64_t q = 0; q < s.w_out(); ++q) {
      for (int64_t a = 0; a < s.window; ++a) {
        for (int64_t b = 0; b < s.window; ++b) {
          body((r * s.w_out() + q) * s.c, ((r * s.stride + a) * s.w + q * s.stride + b) * s.c);
        }
      }
    }
  }
}

// body(image) for each of a batch, on the stream's threads.
template <class T, class Body>
void each_image(const Stream& stream, const PoolShape& s, const Body& body) {
  const int64_t bytes = s.n * s.h * s.w * s.c * int64_t{sizeof(T)};
  cpu::parallel_ranges(stream, s.n, 1, bytes, [&](int64_t begin, int64_t end) {
    cpu::vectorised([=] {
      for (int64_t i = begin; i < end; ++i) body(i);
    });
  });
}

}  // namespace

template <class T>
void average_pool_forward(const Stream& stream, const PoolShape& s, const T* x, T* y) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::average_pool_forward(stream, s, x, y);
  }
  const T scale = T(1) / static_cast<T>(s.window * s.window);
  const int64_t image = s.h * s.w * s.c, out = s.h_out() * s.w_out() * s.c;
  each_image<T>(stream, s, [=](int64_t i) {
    std::fill(y + i * out, y + (i + 1) * out, T(0));
    each_tap(s, [&](int64_t to, int64_t from) {
      add_scaled(y + i * out + to, x + i * image + from, scale, s.c);
    });
  });
}

template <class T>
void average_pool_backward(const Stream& stream, const PoolShape& s, const T* dy, T* dx,
                           Write mode) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::average_pool_backward(stream, s, dy, dx, mode);
  }
  const T scale = T(1) / static_cast<T>(s.window * s.window);
  const int64_t image = s.h * s.w * s.c, out = s.h_out() * s.w_out() * s.c;
  each_image<T>(stream, s, [=](int64_t i) {
    if (mode == Write::Overwrite) std::fill(dx + i * image, dx + (i + 1) * image, T(0));
    each_tap(s, [&](int64_t from, int64_t to) {
      add_scaled(dx + i * image + to, dy + i * out + from, scale, s.c);
    });
  });
}

template <class T>
void global_pool_forward(const Stream& stream, int64_t n, int64_t positions, int64_t c, const T* x,
                         Wide<T>* y) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::global_pool_forward(stream, n, positions, c, x, y);
  }
  const Wide<T> scale = Wide<T>(1) / static_cast<Wide<T>>(positions);
  cpu::parallel_ranges(stream, n, 1, n * positions * c * int64_t{sizeof(T)},
                       [&](int64_t begin, int64_t end) {
                         cpu::vectorised([=] {
                           for (int64_t i = begin; i < end; ++i) {
                             Wide<T>* to = y + i * c;
                             std::fill(to, to + c, Wide<T>(0));
                             for (int64_t p = 0; p < positions; ++p) {
                               add_scaled(to, x + (i * positions + p) * c, scale, c);
                             }
                           }
                         });
                       });
}

template <class T>
void global_pool_backward(const Stream& stream, int64_t n, int64_t positions, int64_t c,
                          const Wide<T>* dy, T* dx, Write mode) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::global_pool_backward(stream, n, positions, c, dy, dx, mode);
  }
  const Wide<T> scale = Wide<T>(1) / static_cast<Wide<T>>(positions);
  cpu::parallel_ranges(stream, n, 1, n * positions * c * int64_t{sizeof(T)},
                       [&](int64_t begin, int64_t end) {
                         cpu::vectorised([=] {
                           for (int64_t i = begin; i < end; ++i) {
                             for (int64_t p = 0; p < positions; ++p) {
                               T* to = dx + (i * positions + p) * c;
                               if (mode == Write::Overwrite) std::fill(to, to + c, T(0));
                               add_scaled(to, dy + i * c, scale, c);
                             }
                           }
                         });
                       });
}

#define BASIN_INSTANTIATE(T)                                                         \
  template void average_pool_forward(const Stream&, const PoolShape&, const T*, T*); \
  template void average_pool_backward(const Stream&, const PoolShape&, const T*, T*, Write);
#define BASIN_INSTANTIATE_GLOBAL(T)                                                                \
  template void global_pool_forward(const Stream&, int64_t, int64_t, int64_t, const T*, Wide<T>*); \
  template void global_pool_backward(const Stream&, int64_t, int64_t, int64_t, const Wide<T>*, T*, \
                                     Write);
BASIN_INSTANTIATE(float)
BASIN_INSTANTIATE(double)
BASIN_INSTANTIATE_GLOBAL(float)
BASIN_INSTANTIATE_GLOBAL(double)
BASIN_INSTANTIATE_GLOBAL(bfloat16)

}  // namespace basin
