// The CUDA side of the bias.
#include "kernels/bias.cuh"
#include "kernels/launch.cuh"

namespace basin::cuda {

template <class T>
void bias_forward(const Stream& stream, int64_t rows, int64_t columns, const T* x, const T* b, T* y,
                  ParameterGroups groups) {
  const int64_t n = rows * columns, width = kPackSize<T>;
  const bool packed = columns % width == 0 && (groups.count == 1 || groups.stride % width == 0);
  const Access access = packed ? access_of(x, b, y) : Access::Single;
  const int64_t work = access == Access::Packed ? n / width : n;
  launch<BiasBody<T>>(stream, "bias_forward", grid_for(stream, work), n, columns, access, x, b, y,
                      groups);
}

template void bias_forward(const Stream&, int64_t, int64_t, const float*, const float*, float*,
                           ParameterGroups);
template void bias_forward(const Stream&, int64_t, int64_t, const double*, const double*, double*,
                           ParameterGroups);

}  // namespace basin::cuda
