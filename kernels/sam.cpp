// The CPU side of the SAM functors.
#include "kernels/sam.h"

#include "kernels/map_cpu.h"

namespace basin {

BASIN_SAM_FUNCTORS(BASIN_INSTANTIATE_MAP, float)
BASIN_SAM_FUNCTORS(BASIN_INSTANTIATE_MAP, double)

}  // namespace basin
