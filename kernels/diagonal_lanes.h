// How a CPU lays a diagonal network's arrays into vectors of W values: the coordinates of one
// trajectory (Along), or one coordinate of W trajectories (Across). A step is written once, on
// either; every sum has one order in both, so that a trajectory has the same bytes alone and in a
// sweep.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/diagonal.h"
#include "kernels/simd.h"

namespace basin::cpu {

// One trajectory: vector o has the values o W, ..., o W + W - 1 of an array, zeros behind its end.
template <class T, int W>
struct Along {
  using V = Vector<T, W>;
  static constexpr int kTrajectories = 1;
  static constexpr int kParts = 1;  // vectors of a sum in W parts, those of i = 0, 1, ... (mod W)
  static int64_t vectors(int64_t count) { return ceil_div<int64_t>(count, W); }
  // Of a problem's array, which all trajectories share.
  static const V& shared(const T* array, int64_t o) { return reinterpret_cast<const V*>(array)[o]; }
  // Of a trajectory's array, for all values that it is multiplied by.
  static T operand(const T* array, int64_t i) { return array[i]; }
  // parts[l]: the sums over i = l (mod W) of one trajectory, or of each; add(o, sum) adds vector o.
  template <class Add>
  static void add_parts(T (&parts)[W][1], int64_t vectors, const Add& add) {
    V sum{};
    for (int64_t o = 0; o < vectors; ++o) add(o, sum);
    for (int l = 0; l < W; ++l) parts[l][0] = sum[l];
  }
};

// W trajectories: vector i has value i of each.
template <class T, int W>
struct Across {
  using V = Vector<T, W>;
  static constexpr int kTrajectories = W, kParts = W;
  static int64_t vectors(int64_t count) { return count; }
  static T shared(const T* array, int64_t o) { return array[o]; }
  static const V& operand(const T* array, int64_t i) {
    return reinterpret_cast<const V*>(array)[i];
  }
  template <class Add>
  static void add_parts(T (&parts)[W][W], int64_t vectors, const Add& add) {
    V sums[W]{};
    int64_t i = 0;
    for (; i + W <= vectors; i += W) {
#pragma GCC unroll 16
      for (int l = 0; l < W; ++l) add(i + l, sums[l]);
    }
#pragma GCC unroll 16
    for (int l = 0; l < W; ++l) {  // a register each: no index but constants
      if (i + l < vectors) add(i + l, sums[l]);
    }
    for (int l = 0; l < W; ++l) reinterpret_cast<V&>(parts[l]) = sums[l];
  }
};

template <class T, int W>
Vector<T, W>& vector_at(T* array, int64_t o) {
  return reinterpret_cast<Vector<T, W>*>(array)[o];
}

// out = the sum of all values of the vectors that add(o, sum) adds, to every lane of its
// trajectory.
template <class Lanes, class T, int W, class Add>
void total(int64_t vectors, const Add& add, Vector<T, W>& out) {
  constexpr int kTrajectories = Lanes::kTrajectories;
  alignas(64) T parts[W][kTrajectories];
  Lanes::add_parts(parts, vectors, add);
  for (int half = W / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) {
      for (int t = 0; t < kTrajectories; ++t) parts[l][t] += parts[l + half][t];
    }
  }
  for (int l = 0; l < W; ++l) out[l] = parts[0][kTrajectories == 1 ? 0 : l];
}

// finish(o, sum) for M vectors of outputs from o on, sum[o] = sum_i matrix[i][o] x[i]: the even i
// and the odd ones by themselves, so that a block has independent sums enough to fill the
// multipliers.
template <class Lanes, int M, class T, int W, class Finish>
void product_block(const T* matrix, int64_t stride, int64_t inner, const T* x, int64_t o,
                   const Finish& finish) {
  using V = Vector<T, W>;
  V even[M]{}, odd[M]{};
  int64_t i = 0;
  for (; i + 1 < inner; i += 2) {
    const auto& first = Lanes::operand(x, i);
    const auto& second = Lanes::operand(x, i + 1);
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      even[m] += Lanes::shared(matrix + i * stride, o + m) * first;
      odd[m] += Lanes::shared(matrix + (i + 1) * stride, o + m) * second;
    }
  }
  if (i < inner) {
    const auto& last = Lanes::operand(x, i);
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) even[m] += Lanes::shared(matrix + i * stride, o + m) * last;
  }
#pragma GCC unroll 4
  for (int m = 0; m < M; ++m) {
    const V sum = even[m] + odd[m];
    finish(o + m, sum);
  }
}

// finish(o, (matrix^T x)[o]) for all vectors o of outputs, in order; x and what finish() writes do
// not overlap.  matrix: [inner, stride], x: [inner] of each trajectory.
template <class Lanes, class T, int W, class Finish>
void product(const T* matrix, int64_t stride, int64_t inner, const T* x, int64_t outputs,
             const Finish& finish) {
  const int64_t vectors = Lanes::vectors(outputs);
  int64_t o = 0;
  for (; o + 4 <= vectors; o += 4) {
    product_block<Lanes, 4, T, W>(matrix, stride, inner, x, o, finish);
  }
  switch (vectors - o) {
    case 1:
      return product_block<Lanes, 1, T, W>(matrix, stride, inner, x, o, finish);
    case 2:
      return product_block<Lanes, 2, T, W>(matrix, stride, inner, x, o, finish);
    case 3:
      return product_block<Lanes, 3, T, W>(matrix, stride, inner, x, o, finish);
    default:
      return;
  }
}

}  // namespace basin::cpu
