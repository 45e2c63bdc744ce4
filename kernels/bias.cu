// The CUDA side of the bias.
#include "kernels/bias.cuh"
#include "kernels/launch.cuh"

namespace basin::cuda {

template <class T>
void bias_forward(const Stream& stream, int64_t rows, int64_t columns, const T* x, const T* b,
                  T* y) {
  const int64_t n = rows * columns;
  const Access access = columns % kPackSize<T> == 0 ? access_of(x, b, y) : Access::Single;
  const int64_t work = access == Access::Packed ? n / kPackSize<T> : n;
  launch<BiasBody<T>>(stream, "bias_forward", grid_for(stream, work), n, columns, access, x, b, y);
}

template void bias_forward(const Stream&, int64_t, int64_t, const float*, const float*, float*);
template void bias_forward(const Stream&, int64_t, int64_t, const double*, const double*, double*);

}  // namespace basin::cuda
