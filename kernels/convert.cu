// The CUDA side of the conversions.
#include "kernels/convert.cuh"

#include "kernels/convert.h"
#include "kernels/launch.cuh"

namespace basin::cuda {

template <class From, class To>
void convert(const Stream& stream, int64_t n, const From* x, To* y, Write mode) {
  const Access access = access_of(x, y);
  const int64_t work = access == Access::Packed ? ceil_div<int64_t>(n, kConvertWidth<From, To>) : n;
  launch<ConvertBody<From, To>>(stream, "convert", grid_for(stream, work), n, access, x, y, mode);
}

#define BASIN_INSTANTIATE(From, To) \
  template void convert(const Stream&, int64_t, const From*, To*, Write);
BASIN_INSTANTIATE(float, float)
BASIN_INSTANTIATE(double, double)
BASIN_INSTANTIATE(float, bfloat16)
BASIN_INSTANTIATE(bfloat16, float)
BASIN_INSTANTIATE(bfloat16, bfloat16)

}  // namespace basin::cuda
