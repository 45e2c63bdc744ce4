// The CPU side of the descent functors.
#include "kernels/sgd.h"

#include "kernels/map_cpu.h"

namespace basin {

BASIN_SGD_FUNCTORS(BASIN_INSTANTIATE_MAP, float)
BASIN_SGD_FUNCTORS(BASIN_INSTANTIATE_MAP, double)

}  // namespace basin
