// The CUDA side of the small kernels of ghost gradients.
#include "kernels/ghost.cuh"

#include "kernels/launch.cuh"

namespace basin::cuda {

template <class T>
void group_dots(const Stream& stream, int64_t groups, int64_t n, const T* a, const T* b,
                double* results) {
  launch<GroupDotsBody<T>>(stream, "group_dots", grid_of_blocks(stream, groups), groups, n, a, b,
                           results);
}

template <class T>
void scale_groups(const Stream& stream, int64_t groups, int64_t n, const double* scales, T* x) {
  launch<ScaleGroupsBody<T>>(stream, "scale_groups", grid_for(stream, groups * n), groups, n,
                             scales, x);
}

void ghost_scales(const Stream& stream, int64_t groups, int64_t rows, const double* ghosts,
                  const double* rho, Normalise normalise, double* squared_norms, double* scales) {
  launch<GhostScalesBody>(stream, "ghost_scales", grid_for(stream, groups), groups, rows, ghosts,
                          rho, normalise, squared_norms, scales);
}

#define BASIN_INSTANTIATE_GHOST(T)                                                        \
  template void group_dots(const Stream&, int64_t, int64_t, const T*, const T*, double*); \
  template void scale_groups(const Stream&, int64_t, int64_t, const double*, T*);

BASIN_INSTANTIATE_GHOST(float)
BASIN_INSTANTIATE_GHOST(double)

}  // namespace basin::cuda
