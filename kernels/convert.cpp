#include "kernels/convert.h"

#include "kernels/bfloat16.h"
#include "kernels/has_cuda.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {

namespace {

template <Write kMode, class From, class To>
void convert_range(int64_t begin, int64_t end, const From* x, To* y) {
  cpu::vectorised([=] {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      if constexpr (kMode == Write::Overwrite) {
        y[i] = static_cast<Wide<To>>(x[i]);
      } else {
        y[i] = y[i] + x[i];
      }
    }
  });
}

}  // namespace

template <class From, class To>
void convert(const Stream& stream, int64_t n, const From* x, To* y, Write mode) {
  if (n == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::convert(stream, n, x, y, mode);
  }
  const auto range = mode == Write::Overwrite ? convert_range<Write::Overwrite, From, To>
                                              : convert_range<Write::Accumulate, From, To>;
  const int64_t bytes = convert_cost<From, To>(n, mode).bytes();
  cpu::parallel_ranges(stream, n, cpu::kLineBytes, bytes,
                       [=](int64_t begin, int64_t end) { range(begin, end, x, y); });
}

#define BASIN_INSTANTIATE(From, To) \
  template void convert(const Stream&, int64_t, const From*, To*, Write);
BASIN_INSTANTIATE(float, float)
BASIN_INSTANTIATE(double, double)
BASIN_INSTANTIATE(float, bfloat16)
BASIN_INSTANTIATE(bfloat16, float)
BASIN_INSTANTIATE(bfloat16, bfloat16)

}  // namespace basin
