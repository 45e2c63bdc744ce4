// The CUDA side of the bias.
#include "kernels/bias.cuh"
#include "kernels/groups_of.cuh"
#include "kernels/launch.cuh"

namespace basin::cuda {

template <class T>
void bias_forward(const Stream& stream, int64_t rows, int64_t columns, const T* x, const T* b, T* y,
                  ParameterGroups groups) {
  const int64_t n = rows * columns / groups.count, width = kPackSize<T>;  // of a group
  const bool packed = columns % width == 0 && (groups.count == 1 || groups.stride % width == 0);
  const Access access = packed ? access_of(x, b, y) : Access::Single;
  const Grid grid = grid_for(stream, access == Access::Packed ? n / width : n);
  if (groups.count == 1) {
    launch<BiasBody<T>>(stream, "bias_forward", grid, n, columns, access, x, b, y);
    return;
  }
  const GroupsArray<const T> from{x, n}, bias{b, groups.stride};
  launch<GroupsOf<BiasBody<T>>>(stream, "bias_forward", {groups.count * grid.blocks, grid.threads},
                                static_cast<int>(grid.blocks), n, columns, access, from, bias,
                                GroupsArray<T>{y, n});
}

template void bias_forward(const Stream&, int64_t, int64_t, const float*, const float*, float*,
                           ParameterGroups);
template void bias_forward(const Stream&, int64_t, int64_t, const double*, const double*, double*,
                           ParameterGroups);

}  // namespace basin::cuda
