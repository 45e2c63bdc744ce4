// The CUDA side of the descent functors.
#include "kernels/sgd.h"

#include "kernels/map_cuda.cuh"

namespace basin::cuda {

BASIN_SGD_FUNCTORS(BASIN_INSTANTIATE_MAP, float)
BASIN_SGD_FUNCTORS(BASIN_INSTANTIATE_MAP, double)

}  // namespace basin::cuda
