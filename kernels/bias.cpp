// Bias on a CPU: rows that are shorter than a few vectors are handled several at a time.
#include "kernels/bias.h"

#include <algorithm>

#include "kernels/has_cuda.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {
namespace {

// Elements of the repeated bias that stay in the first-level cache.
constexpr int64_t kPattern = 1024;

// y[i] = x[i] + pattern[i] for i in [0, length), `times` times, one behind the other.
template <class T>
void add_pattern(const T* x, const T* pattern, int64_t length, int64_t times, T* y) {
  vectorised([=]() {
    for (int64_t t = 0; t < times; ++t) {
      const T* from = x + t * length;
      T* to = y + t * length;
#pragma omp simd
      for (int64_t i = 0; i < length; ++i) to[i] = BiasAdd<T>::of(from[i], pattern[i]);
    }
  });
}

// One bias, to be added to rows, `repeats` of them at a time.
template <class T>
void add_rows(int64_t rows, int64_t columns, int64_t repeats, const T* x, const T* b, T* y) {
  T repeated[kPattern];
  const T* pattern = b;
  if (repeats > 1) {
    for (int64_t r = 0; r < repeats; ++r) std::copy(b, b + columns, repeated + r * columns);
    pattern = repeated;
  }
  const int64_t whole = rows / repeats, tail = whole * repeats;
  add_pattern(x, pattern, repeats * columns, whole, y);
  add_pattern(x + tail * columns, pattern, (rows - tail) * columns, 1, y + tail * columns);
}

template <class T>
void bias_forward(const Stream& stream, int64_t rows, int64_t columns, const T* x, const T* b, T* y,
                  ParameterGroups groups) {
  const int64_t bytes = element_cost<BiasAdd<T>, T>(rows * columns).bytes();
  const int64_t each = rows / groups.count;
  const int64_t repeats = std::clamp<int64_t>(kPattern / columns, 1, each);
  parallel_ranges(stream, rows, repeats, bytes, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t group = begin / each, stop = std::min(end, (group + 1) * each);
      add_rows(stop - begin, columns, repeats, x + begin * columns, b + group * groups.stride,
               y + begin * columns);
      begin = stop;
    }
  });
}

}  // namespace
}  // namespace cpu

template <class T>
void bias_forward(const Stream& stream, int64_t rows, int64_t columns, const T* x, const T* b, T* y,
                  ParameterGroups groups) {
  if (rows == 0 || columns == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::bias_forward(stream, rows, columns, x, b, y, groups);
  }
  cpu::bias_forward(stream, rows, columns, x, b, y, groups);
}

template void bias_forward(const Stream&, int64_t, int64_t, const float*, const float*, float*,
                           ParameterGroups);
template void bias_forward(const Stream&, int64_t, int64_t, const double*, const double*, double*,
                           ParameterGroups);

}  // namespace basin
