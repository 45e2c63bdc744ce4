// Reductions with one written order: partial sums of fixed blocks of kReduceBlock elements, in
// float64, then a fixed tree over the partials. The result does not depend on the thread count,
// and stays in device memory.
#pragma once

#include "kernels/stream.h"

namespace basin {

inline constexpr int64_t kReduceBlock = 4096;

// How many float64 partials a reduction of n elements needs.
constexpr int64_t reduce_partials(int64_t n) { return ceil_div(n, kReduceBlock); }

// *result = sum_i x[i]^2.  x: [n]; partials: [reduce_partials(n)], scratch.
template <class T>
void squared_norm(const Stream& stream, int64_t n, const T* x, double* partials, double* result);

// *result = sum_i x[i].
template <class T>
void sum(const Stream& stream, int64_t n, const T* x, double* partials, double* result);

// sums[c] = sum_r x[r, c]  (x: [rows, columns]), the gradient of a bias; float64 accumulation is
// not needed here: float32 partials over fixed blocks of rows, then a fixed order.
// partials: [column_sum_partials(rows, columns)] of T, scratch.
int64_t column_sum_partials(int64_t rows, int64_t columns);
template <class T>
void column_sum(const Stream& stream, int64_t rows, int64_t columns, const T* x, T* partials,
                T* sums, Write mode);

// out[i] = sum_k parts[k][i] in the order of k, plus decay * w[i] (w may be null): the gradients
// of several workspaces made one, and the L2 term's, in one pass. `out` may be parts[0].
template <class T>
void sum_parts(const Stream& stream, int64_t n, const T* const* parts, int count, double decay,
               const T* w, T* out);

}  // namespace basin
