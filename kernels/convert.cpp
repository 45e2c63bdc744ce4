#include "kernels/convert.h"

#include "kernels/bfloat16.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {

template <class From, class To>
void convert(const Stream& stream, int64_t n, const From* x, To* y, Write mode) {
  require_cpu(stream, "[convert]");
  const int64_t bytes = convert_cost<From, To>(n, mode).bytes();
  cpu::parallel_ranges(stream, n, cpu::kLineBytes, bytes, [=](int64_t begin, int64_t end) {
    cpu::vectorised([=] {
      if (mode == Write::Overwrite) {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) y[i] = static_cast<Wide<To>>(x[i]);
      } else {
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) y[i] = y[i] + x[i];
      }
    });
  });
}

#define BASIN_INSTANTIATE(From, To) \
  template void convert(const Stream&, int64_t, const From*, To*, Write);
BASIN_INSTANTIATE(float, float)
BASIN_INSTANTIATE(double, double)
BASIN_INSTANTIATE(float, bfloat16)
BASIN_INSTANTIATE(bfloat16, float)
BASIN_INSTANTIATE(bfloat16, bfloat16)

}  // namespace basin
