// Between element types: y (=, +=) x.
#pragma once

#include "kernels/cost.h"
#include "kernels/stream.h"

namespace basin {

// y[i] (=, +=) x[i] for i in [0, n), rounded once. From and To are float and bfloat16, or equal.
template <class From, class To>
void convert(const Stream& stream, int64_t n, const From* x, To* y, Write mode);

template <class From, class To>
constexpr Cost convert_cost(int64_t n, Write mode) {
  const int64_t from = n * int64_t{sizeof(From)}, to = n * int64_t{sizeof(To)};
  return mode == Write::Overwrite ? Cost{from, to, 0} : Cost{from + to, to, n};
}

namespace cuda {
template <class From, class To>
void convert(const Stream& stream, int64_t n, const From* x, To* y, Write mode);
}  // namespace cuda

}  // namespace basin
