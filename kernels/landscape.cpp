// The CPU side of the landscape's kernels.
#include "kernels/landscape.h"

#include "kernels/has_cuda.h"
#include "kernels/map_cpu.h"

namespace basin {

BASIN_LANDSCAPE_FUNCTORS(BASIN_INSTANTIATE_MAP, float)
BASIN_LANDSCAPE_FUNCTORS(BASIN_INSTANTIATE_MAP, double)

namespace cpu {
namespace {

// A normal number takes a core as long as moving this many bytes (ten rounds, log, cos: 25 ns).
constexpr int64_t kNormalBytes = 1024;

template <class T>
void fill_normal(const Stream& stream, const NormalNumbers& numbers, int64_t n, T* out) {
  const int64_t line = kLineBytes / int64_t{sizeof(T)};
  parallel_ranges(stream, n, line, n * kNormalBytes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(numbers.at(i));
  });
}

template <class T>
double norm_of(int64_t n, const T* x) {
  double total = 0;
  for (int64_t i = 0; i < n; ++i) total = SquareTerm::add(total, x[i]);
  return std::sqrt(total);
}

template <class T>
void filter_normalise(const Stream& stream, int64_t filters, int64_t size, const T* w, T* d) {
  const int64_t bytes = filter_normalise_cost<T>(filters, size).bytes();
  parallel_ranges(stream, filters, 1, bytes, [&](int64_t begin, int64_t end) {
    for (int64_t f = begin; f < end; ++f) {
      T* filter = d + f * size;
      const double ratio = norm_of(size, w + f * size) / (norm_of(size, filter) + kNormGuard);
      for (int64_t i = 0; i < size; ++i) filter[i] *= static_cast<T>(ratio);
    }
  });
}

}  // namespace
}  // namespace cpu

template <class T>
void fill_normal(const Stream& stream, const NormalNumbers& numbers, int64_t n, T* out) {
  if (n == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::fill_normal(stream, numbers, n, out);
  }
  cpu::fill_normal(stream, numbers, n, out);
}

template <class T>
void filter_normalise(const Stream& stream, int64_t filters, int64_t size, const T* w, T* d) {
  if (filters == 0 || size == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::filter_normalise(stream, filters, size, w, d);
  }
  cpu::filter_normalise(stream, filters, size, w, d);
}

template void fill_normal(const Stream&, const NormalNumbers&, int64_t, float*);
template void fill_normal(const Stream&, const NormalNumbers&, int64_t, double*);
template void filter_normalise(const Stream&, int64_t, int64_t, const float*, float*);
template void filter_normalise(const Stream&, int64_t, int64_t, const double*, double*);

}  // namespace basin
