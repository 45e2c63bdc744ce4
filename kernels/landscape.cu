// The CUDA side of the landscape's kernels.
#include "kernels/landscape.cuh"

#include "kernels/map_cuda.cuh"

namespace basin::cuda {

BASIN_LANDSCAPE_FUNCTORS(BASIN_INSTANTIATE_MAP, float)
BASIN_LANDSCAPE_FUNCTORS(BASIN_INSTANTIATE_MAP, double)

template <class T>
void fill_normal(const Stream& stream, const NormalNumbers& numbers, int64_t n, T* out) {
  const Access access = access_of(out);
  const int64_t work = access == Access::Packed ? ceil_div<int64_t>(n, kPackSize<T>) : n;
  launch<FillNormalBody<T>>(stream, "fill_normal", grid_for(stream, work), numbers, n, access, out);
}

template <class T>
void filter_normalise(const Stream& stream, int64_t filters, int64_t size, const T* w, T* d) {
  launch<FilterNormaliseBody<T>>(stream, "filter_normalise", grid_of_blocks(stream, filters),
                                 filters, size, w, d);
}

template void fill_normal(const Stream&, const NormalNumbers&, int64_t, float*);
template void fill_normal(const Stream&, const NormalNumbers&, int64_t, double*);
template void filter_normalise(const Stream&, int64_t, int64_t, const float*, float*);
template void filter_normalise(const Stream&, int64_t, int64_t, const double*, double*);

}  // namespace basin::cuda
