// The CPU side of the element functors.
#include "kernels/elementwise.h"

#include "kernels/map_cpu.h"

namespace basin {

#define BASIN_BOTH_MODES(T, ...)        \
  BASIN_INSTANTIATE_MAP(T, __VA_ARGS__) \
  BASIN_INSTANTIATE_MAP(T, Accumulated<T, __VA_ARGS__>)

BASIN_ELEMENTWISE_FUNCTORS(BASIN_BOTH_MODES, float)
BASIN_ELEMENTWISE_FUNCTORS(BASIN_BOTH_MODES, double)

}  // namespace basin
