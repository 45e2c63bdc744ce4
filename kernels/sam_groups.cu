// The CUDA side of the ascent of groups.
#include "kernels/sam_groups.cuh"

#include "kernels/launch.cuh"

namespace basin::cuda {

template <class T>
void sam_ascent_groups(const Stream& stream, ParameterGroups groups, int64_t n, const T* w,
                       const T* g, const double* squared_norms, const double* rho,
                       Normalise normalise, T* points) {
  const bool packed = groups.count == 1 || groups.stride % kPackSize<T> == 0;
  const int64_t work =
      ceil_div<int64_t>(groups.count, kAscentGroups) * ceil_div<int64_t>(n, kPackSize<T>);
  launch<SamAscentGroups<T>>(stream, "sam_ascent_groups", grid_for(stream, work), groups, n,
                             packed ? access_of(w, g, points) : Access::Single, w, g,
                             SamAscent<T>{squared_norms, rho, normalise}, points);
}

template void sam_ascent_groups(const Stream&, ParameterGroups, int64_t, const float*, const float*,
                                const double*, const double*, Normalise, float*);
template void sam_ascent_groups(const Stream&, ParameterGroups, int64_t, const double*,
                                const double*, const double*, const double*, Normalise, double*);

}  // namespace basin::cuda
