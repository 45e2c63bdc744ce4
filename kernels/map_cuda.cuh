// The element driver's launch. Included by the .cu files that instantiate functors.
#pragma once

#include <cstdint>

#include "kernels/launch.cuh"
#include "kernels/map.cuh"

namespace basin::cuda {

template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n, const Inputs<T, F>& in,
         const Outputs<T, F>& out) {
  using Body = MapBody<T, F>;
  typename Body::In from{};
  typename Body::Out to{};
  Access access = Access::Packed;
  for (int k = 0; k < F::reads; ++k) {
    from.at[k] = in[k];
    if (access_of(in[k]) == Access::Single) access = Access::Single;
  }
  for (int k = 0; k < F::writes; ++k) {
    to.at[k] = out[k];
    if (access_of(out[k]) == Access::Single) access = Access::Single;
  }
  const int64_t work = access == Access::Packed ? ceil_div<int64_t>(n, kPackSize<T>) : n;
  launch<Body>(stream, "map", grid_for(stream, work), functor, n, access, from, to);
}

}  // namespace basin::cuda
