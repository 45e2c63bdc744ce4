// Reductions with one written order: partial sums of fixed blocks of kReduceBlock elements, in
// float64, then a fixed tree over the partials. The result does not depend on the thread count,
// and stays in device memory. NaN and infinity reach the result.
#pragma once

#include "kernels/cost.h"
#include "kernels/parameter_groups.h"
#include "kernels/platform.h"
#include "kernels/stream.h"

namespace basin {

inline constexpr int64_t kReduceBlock = 4096;

// How many float64 partials a reduction of n elements needs.
constexpr int64_t reduce_partials(int64_t n) {
  return ceil_div(n, kReduceBlock);
}

// The terms of the reductions below: one element added to a running total of type A.
struct SquareTerm {
  static constexpr int reads = 1, writes = 0, flops = 2;
  template <class A, class T>
  BASIN_HD static A add(A total, T x) {
    return total + static_cast<A>(x) * static_cast<A>(x);
  }
};
struct PlainTerm {
  static constexpr int reads = 1, writes = 0, flops = 1;
  template <class A, class T>
  BASIN_HD static A add(A total, T x) {
    return total + static_cast<A>(x);
  }
};

// *result = sum_i x[i]^2.  x: [n]; partials: [reduce_partials(n)], scratch.
template <class T>
void squared_norm(const Stream& stream, int64_t n, const T* x, double* partials, double* result);

// results[g] = sum_i x[g * stride + i]^2 over i < n, for each of the groups: to the byte what
// squared_norm gives of each. partials: [count * reduce_partials(n)], scratch; results: [count].
template <class T>
void squared_norms(const Stream& stream, ParameterGroups groups, int64_t n, const T* x,
                   double* partials, double* results);

// *result = sum_i x[i].
template <class T>
void sum(const Stream& stream, int64_t n, const T* x, double* partials, double* result);

// sums[c] (=, +=) sum_r x[r, c]  (x: [rows, columns]), the gradient of a bias: sums in T over
// fixed blocks of kColumnRows rows, then in float64 over the blocks in their order.
// With groups, of the rows of each: rows / groups.count, to sums + g * groups.stride.
// partials: [column_sum_partials(rows, columns, groups.count)] of T, scratch.
inline constexpr int64_t kColumnRows = 128;
constexpr int64_t column_sum_partials(int64_t rows, int64_t columns, int64_t groups = 1) {
  return groups * ceil_div(rows / groups, kColumnRows) * columns;
}
template <class T>
void column_sum(const Stream& stream, int64_t rows, int64_t columns, const T* x, T* partials,
                T* sums, Write mode, ParameterGroups groups = {});

// out[i] = sum_k parts[k][i] in the order of k, plus decay * w[i] (w may be null): the gradients
// of several workspaces made one, and the L2 term's, in one pass. count >= 1; `parts` itself is in
// the host's memory; `out` may be parts[0], and no other.
template <class T>
void sum_parts(const Stream& stream, int64_t n, const T* const* parts, int count, double decay,
               const T* w, T* out);

namespace cuda {
template <class T>
void squared_norms(const Stream& stream, ParameterGroups groups, int64_t n, const T* x,
                   double* partials, double* results);
template <class T>
void sum(const Stream& stream, int64_t n, const T* x, double* partials, double* result);
template <class T>
void column_sum(const Stream& stream, int64_t rows, int64_t columns, const T* x, T* partials,
                T* sums, Write mode, ParameterGroups groups);
template <class T>
void sum_parts(const Stream& stream, int64_t n, const T* const* parts, int count, double decay,
               const T* w, T* out);
}  // namespace cuda

}  // namespace basin
