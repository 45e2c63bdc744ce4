// The CUDA side of a step's scalars.
#include "kernels/step.cuh"

#include "kernels/launch.cuh"
#include "kernels/step.h"

namespace basin::cuda {

template <class Act>
void once(const Stream& stream, const char* name, const Act& act) {
  launch<OnceBody<Act>>(stream, name, {1, kWarpSize}, act);
}

template void once(const Stream&, const char*, const PassResultOf<float>&);
template void once(const Stream&, const char*, const PassResultOf<double>&);
template void once(const Stream&, const char*, const BeginStep&);
template void once(const Stream&, const char*, const NextBatch&);
template void once(const Stream&, const char*, const EndStep&);

}  // namespace basin::cuda
