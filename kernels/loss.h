// Losses: value and gradient in one pass over the logits, or over the values.
#pragma once

#include <cmath>

#include "kernels/cost.h"
#include "kernels/stream.h"

namespace basin {

// Softmax cross-entropy, the mean over n examples.
//   z: [n, classes] logits; labels: [n] in [0, classes)
//   loss: [1], the mean of -log softmax(z)[label]; correct: [1], how many rows have their (first)
//   maximum at the label; dz: [n, classes] = (softmax(z) - onehot) / n.
// A label out of range is an Error(Usage) that names its position, on a CPU before anything is
// written; on CUDA it makes the loss and its row of dz NaN. A NaN among the logits makes the loss
// and its row of dz NaN, and its row not correct. scratch: cross_entropy_scratch bytes.
int64_t cross_entropy_scratch(int64_t n);
template <class T>
void cross_entropy(const Stream& stream, int64_t n, int64_t classes, const T* z,
                   const int32_t* labels, T* loss, T* correct, T* dz, void* scratch);

// loss[0] = scale * sum_i (x[i] - y[i])^2;  dx[i] = 2 scale (x[i] - y[i]).  x, y, dx: [n].
// scratch: reduce_partials(n) + 1 float64 values.
template <class T>
void squared_error(const Stream& stream, int64_t n, double scale, const T* x, const T* y, T* loss,
                   T* dx, double* scratch);

// One row of cross_entropy, in the arithmetic of A (float64; a test counts with another). With m
// the row's maximum, nothing overflows: total = sum_k exp(z_k - m), own = z_label - m, and the
// row's loss is log(total) - own.
template <class A>
struct CrossEntropyRow {
  static constexpr int reads = 1, writes = 1, flops = 5;  // per logit
  static constexpr int row_flops = 4;                     // and once a row, beside the logarithm
  A total, own;
  bool correct;

  // z: [classes]; dz: [classes] = (softmax(z) - onehot(label)) * share.
  template <class T>
  BASIN_HD static CrossEntropyRow run(int64_t classes, const T* z, int64_t label, A share, T* dz) {
    using std::exp;
    int64_t best = 0;
    for (int64_t k = 1; k < classes; ++k) {
      if (z[k] > z[best]) best = k;
    }
    const A top = static_cast<A>(z[best]);
    A total = A(0);
    for (int64_t k = 0; k < classes; ++k) {
      const A e = exp(static_cast<A>(z[k]) - top);
      dz[k] = static_cast<T>(e);
      total += e;
    }
    const A scale = share / total, own = static_cast<A>(z[label]) - top;
    for (int64_t k = 0; k < classes; ++k) {
      dz[k] = static_cast<T>(static_cast<A>(dz[k]) * scale);
    }
    // Once more in A: where softmax is almost 1, a difference of rounded values would be noise.
    dz[label] = static_cast<T>(exp(own) * scale - share);
    return {total, own, best == label};
  }
};

template <class T>
constexpr Cost cross_entropy_cost(int64_t n, int64_t classes) {
  using Row = CrossEntropyRow<double>;
  const int64_t array = n * classes * int64_t{sizeof(T)};
  return {array * Row::reads + n * int64_t{sizeof(int32_t)}, array * Row::writes,
          n * (classes * Row::flops + Row::row_flops)};
}

// One element of squared_error, added to a running total.
template <class T>
struct SquaredErrorTerm {
  static constexpr int reads = 2, writes = 1, flops = 4;
  T factor;  // 2 scale
  template <class A>
  BASIN_HD A add(A total, T x, T y, T& dx) const {
    const T difference = x - y;
    dx = factor * difference;
    return total + static_cast<A>(difference) * static_cast<A>(difference);
  }
};

namespace cuda {
template <class T>
void cross_entropy(const Stream& stream, int64_t n, int64_t classes, const T* z,
                   const int32_t* labels, T* loss, T* correct, T* dz, void* scratch);
template <class T>
void squared_error(const Stream& stream, int64_t n, double scale, const T* x, const T* y, T* loss,
                   T* dx, double* scratch);
}  // namespace cuda

}  // namespace basin
