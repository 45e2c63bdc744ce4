// The element driver: one functor, run over n elements of contiguous arrays on either backend.
//
// A functor F (see elementwise.h, sam.h, sgd.h) states, per element, `reads`, `writes` and `flops`,
// and computes in `operator()(const T (&in)[reads], T (&out)[writes])`, or `operator()(T
// (&out)[1])` where it reads nothing. A functor whose scalars live in device memory has `load()`,
// called once a thread on the device, which returns it bound to their values. An output may be the
// same array as an input (in place), never a shifted overlap of it.
#pragma once

#include <array>

#include "kernels/cost.h"
#include "kernels/platform.h"
#include "kernels/stream.h"

namespace basin {

// A run's arrays: as many pointers as the functor reads or writes, in the order of its elements.
template <class T, class F>
using Inputs = std::array<const T*, F::reads>;
template <class T, class F>
using Outputs = std::array<T*, F::writes>;

// The values that a functor reads; room for one where it reads none, as C++ has no empty array.
template <class T, class F>
using Operands = T[F::reads > 0 ? F::reads : 1];

template <class T, class F>
BASIN_HD void apply(const F& functor, const Operands<T, F>& in, T (&out)[F::writes]) {
  if constexpr (F::reads > 0) {
    functor(in, out);
  } else {
    functor(out);
  }
}

template <class F>
concept HasLoad = requires(const F& functor) {
  functor.load();
};

// Functors without scalars in device memory are their own bound form.
template <class F>
BASIN_HD auto loaded(const F& functor) {
  if constexpr (HasLoad<F>) {
    return functor.load();
  } else {
    return functor;
  }
}

// F with every output added to what it holds already: reads F's operands, then F's outputs.
template <class T, class F>
struct Accumulated {
  static constexpr int reads = F::reads + F::writes;
  static constexpr int writes = F::writes;
  static constexpr int flops = F::flops + F::writes;
  F functor;
  BASIN_HD auto load() const requires HasLoad<F> {
    return Accumulated<T, decltype(functor.load())>{functor.load()};
  }
  BASIN_HD void operator()(const T (&in)[reads], T (&out)[writes]) const requires(!HasLoad<F>) {
    Operands<T, F> head;
    for (int i = 0; i < F::reads; ++i) head[i] = in[i];
    apply<T>(functor, head, out);
    for (int i = 0; i < writes; ++i) out[i] = in[F::reads + i] + out[i];
  }
};

// out[i] = functor(in[i]) for i in [0, n): map<T>(stream, Add<T>{}, n, {a, b}, {y}).
// Instantiated in the family's .cpp and .cu files.
template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n, const Inputs<T, F>& in,
         const Outputs<T, F>& out);

// The same, with `mode` saying whether the outputs are replaced or added to.
template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n, const Inputs<T, F>& in,
         const Outputs<T, F>& out, Write mode) {
  if (mode == Write::Overwrite) return map<T, F>(stream, functor, n, in, out);
  Inputs<T, Accumulated<T, F>> all{};
  for (int i = 0; i < F::reads; ++i) all[i] = in[i];
  for (int i = 0; i < F::writes; ++i) all[F::reads + i] = out[i];
  map<T, Accumulated<T, F>>(stream, Accumulated<T, F>{functor}, n, all, out);
}

}  // namespace basin

// In the namespace of the driver: basin for the dispatch and the CPU, basin::cuda for the launch.
#define BASIN_INSTANTIATE_MAP(T, ...)                                           \
  template void map<T, __VA_ARGS__>(const Stream&, const __VA_ARGS__&, int64_t, \
                                    const Inputs<T, __VA_ARGS__>&,              \
                                    const Outputs<T, __VA_ARGS__>&);
