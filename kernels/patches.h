// A convolution's input as a matrix: a row for each output position, with what its window sees.
#pragma once

#include "kernels/conv.h"

namespace basin {

// Of a row, and of all.
constexpr int64_t patch_size(const ConvShape& s) {
  return s.kernel * s.kernel * s.c_in;
}
constexpr int64_t patch_count(const ConvShape& s) {
  return s.n * s.h_out() * s.w_out();
}

// patches[(i, p, q), (a, b, c)] = x[i, p stride + a - padding, q stride + b - padding, c], 0
// outside. x: [n, h, w, c_in]; patches: [n h_out w_out, kernel kernel c_in], a row as a filter's
// weights lie.
template <class T>
void unfold(const Stream& stream, const ConvShape& shape, const T* x, T* patches);

// x[i, r, c] (=, +=) the sum of the patches' elements that unfold() reads from there, in their
// order.
template <class T>
void fold(const Stream& stream, const ConvShape& shape, const T* patches, T* x, Write mode);

template <class T>
constexpr Cost unfold_cost(const ConvShape& s) {
  return {s.input_size() * int64_t{sizeof(T)}, patch_count(s) * patch_size(s) * int64_t{sizeof(T)},
          0};
}

namespace cuda {
template <class T>
void unfold(const Stream& stream, const ConvShape& shape, const T* x, T* patches);
template <class T>
void fold(const Stream& stream, const ConvShape& shape, const T* patches, T* x, Write mode);
}  // namespace cuda

}  // namespace basin
