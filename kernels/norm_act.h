// Normalisation fused with ReLU and with a residual add, NHWC.
//
//   s = x + residual (or x);  y = act(gamma * (s - mean) * rstd + beta),  rstd = 1 / sqrt(var + eps)
//
// Group norm: mean and var over the positions and channels of each (image, group).
// Batch norm: over all images and positions of each channel; biased variance normalises.
// Statistics are two-pass or Welford, never E[x^2] - E[x]^2. The mask of the ReLU is recomputed
// from s in the backward pass; nothing is saved but mean and rstd.
#pragma once

#include "kernels/stream.h"

namespace basin {

enum class Activation { None, Relu };

struct NormShape {
  int64_t n;          // images
  int64_t positions;  // h * w
  int64_t c;          // channels; a multiple of groups
  int64_t groups;     // group norm only
  int64_t size() const { return n * positions * c; }
};

// x, residual (may be null), sum, y: [n, positions, c]; sum is written where residual is given, and
// may be null otherwise. gamma, beta: [c]. mean, rstd: [n, groups], written.
template <class T>
void group_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const T* gamma, const T* beta, double eps,
                            Activation act, T* sum, T* y, T* mean, T* rstd, void* scratch);

// ds (=, +=) the gradient with respect to s, given dy and s; dgamma, dbeta: [c] (=, +=).
// scratch: group_norm_act_scratch bytes.
template <class T>
int64_t group_norm_act_scratch(const NormShape& shape, int threads);
template <class T>
void group_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const T* gamma, const T* beta, const T* mean, const T* rstd,
                             Activation act, T* ds, Write ds_mode, T* dgamma, T* dbeta,
                             Write parameter_mode, void* scratch);

// Batch norm in training: mean, rstd and the unbiased variance of the batch: [c], written.
template <class T>
int64_t batch_norm_act_scratch(const NormShape& shape, int threads);
template <class T>
void batch_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const T* gamma, const T* beta, double eps,
                            Activation act, T* sum, T* y, T* mean, T* rstd, T* unbiased_variance,
                            void* scratch);
template <class T>
void batch_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const T* gamma, const T* beta, const T* mean, const T* rstd,
                             Activation act, T* ds, Write ds_mode, T* dgamma, T* dbeta,
                             Write parameter_mode, void* scratch);

// Batch norm with given statistics (inference, or frozen in training): mean, variance: [c].
// rstd: [c], written, for the backward pass, in which the statistics are constants.
template <class T>
void fixed_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const T* gamma, const T* beta, const T* mean,
                            const T* variance, double eps, Activation act, T* sum, T* y, T* rstd);
template <class T>
void fixed_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const T* gamma, const T* beta, const T* mean, const T* rstd,
                             Activation act, T* ds, Write ds_mode, T* dgamma, T* dbeta,
                             Write parameter_mode, void* scratch);  // batch_norm_act_scratch bytes

// running = (1 - momentum) * running + momentum * batch, for mean and unbiased variance: [c].
template <class T>
void update_running_statistics(const Stream& stream, int64_t c, double momentum, const T* mean,
                               const T* unbiased_variance, T* running_mean, T* running_variance);

}  // namespace basin
