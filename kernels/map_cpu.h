// The element driver on a CPU, one vectorised loop, each thread with its own run of elements; and
// the function that dispatches.
// Included by the .cpp files that instantiate functors.
#pragma once

#include <type_traits>

#include "kernels/has_cuda.h"
#include "kernels/map.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {

// Elements [begin, end), in the vector width of the machine.
template <class T, class F>
void map_range(const F& functor, int64_t begin, int64_t end, const Inputs<T, F>& in,
               const Outputs<T, F>& out) {
  vectorised([=]() {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      Operands<T, F> a;
      T b[F::writes];
      for (int k = 0; k < F::reads; ++k) a[k] = in[k][i];
      apply<T>(functor, a, b);
      for (int k = 0; k < F::writes; ++k) out[k][i] = b[k];
    }
  });
}

template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n, const Inputs<T, F>& in,
         const Outputs<T, F>& out) {
  const auto bound = loaded(functor);
  using Bound = std::remove_const_t<decltype(bound)>;
  parallel_ranges(
      stream, n, kLineBytes / int64_t{sizeof(T)}, element_cost<F, T>(n).bytes(),
      [&](int64_t begin, int64_t end) { map_range<T, Bound>(bound, begin, end, in, out); });
}

}  // namespace cpu

namespace cuda {
template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n, const Inputs<T, F>& in,
         const Outputs<T, F>& out);
}

template <class T, class F>
void map(const Stream& stream, const F& functor, int64_t n, const Inputs<T, F>& in,
         const Outputs<T, F>& out) {
  if (n == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::map<T, F>(stream, functor, n, in, out);
  }
  cpu::map<T, F>(stream, functor, n, in, out);
}

}  // namespace basin
