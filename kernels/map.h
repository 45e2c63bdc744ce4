// The element driver: one functor, run over n elements of contiguous arrays on either backend.
//
// A functor F (see elementwise.h, sam.h, sgd.h) states, per element, `reads`, `writes` and `flops`,
// and computes in `operator()(const T (&in)[reads], T (&out)[writes])`. A functor whose scalars
// live in device memory has `load()`, called once a thread, which returns it bound to their values.
// An output may be the same array as an input (in place), never a shifted overlap of it.
#pragma once

#include <array>

#include "kernels/cost.h"
#include "kernels/platform.h"
#include "kernels/stream.h"

namespace basin {

// F with every output added to what it holds already.
template <class T, class F>
struct Accumulated {
  static constexpr int reads = F::reads + F::writes;
  static constexpr int writes = F::writes;
  static constexpr int flops = F::flops + F::writes;
  F functor;
  BASIN_HD void operator()(const T (&in)[reads], T (&out)[writes]) const {
    T head[F::reads];
    for (int i = 0; i < F::reads; ++i) head[i] = in[i];
    functor(head, out);
    for (int i = 0; i < writes; ++i) out[i] += in[F::reads + i];
  }
};

template <class F>
BASIN_HD auto loaded(const F& functor) {
  if constexpr (requires { functor.load(); }) {
    return functor.load();
  } else {
    return functor;
  }
}

namespace cpu {
template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n,
         const std::array<const T*, F::reads>& in, const std::array<T*, F::writes>& out);
}
namespace cuda {
template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n,
         const std::array<const T*, F::reads>& in, const std::array<T*, F::writes>& out);
}

// out[i] = functor(in[i]) for i in [0, n). Instantiated in the family's .cpp and .cu files.
template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n,
         const std::array<const T*, F::reads>& in, const std::array<T*, F::writes>& out) {
  if (n == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::map<T, F>(stream, functor, n, in, out);
  }
  cpu::map<T, F>(stream, functor, n, in, out);
}

// The same, with `mode` saying whether the outputs are replaced or added to.
template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n,
         const std::array<const T*, F::reads>& in, const std::array<T*, F::writes>& out,
         Write mode) {
  if (mode == Write::Overwrite) return map<T, F>(stream, functor, n, in, out);
  std::array<const T*, F::reads + F::writes> all{};
  for (int i = 0; i < F::reads; ++i) all[i] = in[i];
  for (int i = 0; i < F::writes; ++i) all[F::reads + i] = out[i];
  map<T, Accumulated<T, F>>(stream, Accumulated<T, F>{loaded(functor)}, n, all, out);
}

}  // namespace basin
