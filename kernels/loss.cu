// The CUDA side of the losses.
#include "kernels/launch.cuh"
#include "kernels/loss.cuh"

namespace basin::cuda {

template <class T>
void cross_entropy(const Stream& stream, int64_t n, int64_t classes, const T* z,
                   const int32_t* labels, T* loss, T* correct, T* dz, void* scratch) {
  auto* losses = static_cast<double*>(scratch);
  double* hits = losses + n;
  const double share = 1.0 / static_cast<double>(n);
  // Rows are short: a warp has one to itself, and its reductions need no barrier.
  launch<CrossEntropyBody<T>>(stream, "cross_entropy", grid_of_blocks(stream, n, kWarpSize), n,
                              static_cast<int>(classes), z, labels, share, dz, losses, hits);
  launch<LossJoin<T>>(stream, "cross_entropy", {1, 256}, n, losses, share, loss);
  launch<LossJoin<T>>(stream, "cross_entropy", {1, 256}, n, hits, 1.0, correct);
}

template <class T>
void squared_error(const Stream& stream, int64_t n, double scale, const T* x, const T* y, T* loss,
                   T* dx, double* scratch) {
  const int64_t blocks = reduce_partials(n);
  const SquaredErrorTerm<T> term{static_cast<T>(2 * scale)};
  if (blocks > 0) {
    launch<SquaredErrorBody<T>>(stream, "squared_error", grid_of_blocks(stream, blocks), n, term, x,
                                y, dx, scratch);
  }
  launch<LossJoin<T>>(stream, "squared_error", {1, 1024}, blocks, scratch, scale, loss);
}

#define BASIN_INSTANTIATE_LOSS(T)                                                                \
  template void cross_entropy(const Stream&, int64_t, int64_t, const T*, const int32_t*, T*, T*, \
                              T*, void*);                                                        \
  template void squared_error(const Stream&, int64_t, double, const T*, const T*, T*, T*, double*);

BASIN_INSTANTIATE_LOSS(float)
BASIN_INSTANTIATE_LOSS(double)

}  // namespace basin::cuda
