// The CUDA side of the SAM functors.
#include "kernels/sam.h"

#include "kernels/map_cuda.cuh"

namespace basin::cuda {

BASIN_SAM_FUNCTORS(BASIN_INSTANTIATE_MAP, float)
BASIN_SAM_FUNCTORS(BASIN_INSTANTIATE_MAP, double)

}  // namespace basin::cuda
