// Losses: value and gradient in one pass over the logits.
#pragma once

#include "kernels/stream.h"

namespace basin {

// Softmax cross-entropy, the mean over n examples.
//   z: [n, classes] logits; labels: [n] in [0, classes)
//   loss: [1], the mean of -log softmax(z)[label]; correct: [1], how many rows have their (first)
//   maximum at the label; dz: [n, classes] = (softmax(z) - onehot) / n.
// A label out of range is an Error(Usage) that names its position, on a CPU before anything is
// written. scratch: cross_entropy_scratch bytes.
int64_t cross_entropy_scratch(int64_t n);
template <class T>
void cross_entropy(const Stream& stream, int64_t n, int64_t classes, const T* z,
                   const int32_t* labels, T* loss, T* correct, T* dz, void* scratch);

// loss[0] = scale * sum_i (x[i] - y[i])^2;  dx[i] = 2 scale (x[i] - y[i]).
// scratch: reduce_partials(n) + 1 float64 values.
template <class T>
void squared_error(const Stream& stream, int64_t n, double scale, const T* x, const T* y, T* loss,
                   T* dx, double* scratch);

}  // namespace basin
