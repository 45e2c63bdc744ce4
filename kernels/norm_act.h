// Normalisation fused with ReLU and with a residual add, NHWC.
//
//   s = x + residual (or x);  y = act(gamma * (s - mean) * rstd + beta),  rstd = 1 / sqrt(var +
//   eps)
//
// Group norm (Wu and He 2018): mean and var over the positions and channels of each (image, group).
// Batch norm (Ioffe and Szegedy 2015): over all images and positions of each channel; the biased
// variance normalises. Statistics are sums of deviations from a running mean (with CUDA from
// the mean of some rows), joined in float64 (Chan, Golub and LeVeque 1983), never E[x^2] - E[x]^2.
// With T = bfloat16 the tensors are rounded to it, s too; parameters, statistics and arithmetic are
// float. The mask of the ReLU is recomputed from s in the backward pass, by the expression of the
// forward pass; nothing is saved but mean and rstd.
#pragma once

#include <limits>

#include "kernels/bfloat16.h"
#include "kernels/cost.h"
#include "kernels/parameter_groups.h"
#include "kernels/stream.h"

namespace basin {

enum class Activation { None, Relu };

struct NormShape {
  int64_t n;          // images
  int64_t positions;  // h * w, at least 1
  int64_t c;          // channels; a multiple of groups
  int64_t groups;     // group norm only
  constexpr int64_t size() const { return n * positions * c; }
};

// What the passes compute for one element, on both backends. scale = gamma * rstd, shift = beta;
// `floor` is where the activation cuts off: 0, or -infinity where there is none. NaN passes
// through. Plain functions of values: g++ does not vectorise over objects.
template <class T>
struct NormElement {
  // Statistics: the deviation d from a running mean is added to two sums.
  static constexpr int kMomentFlops = 4;
  BASIN_HD static void moments(T s, T running_mean, T& sum, T& sum_of_squares) {
    const T d = s - running_mean;
    sum += d;
    sum_of_squares += d * d;
  }

  // s -> y.
  static constexpr int kForwardFlops = 4;
  BASIN_HD static T forward(T s, T mean, T scale, T shift, T floor) {
    const T y = (s - mean) * scale + shift;
    return y < floor ? floor : y;
  }

  // The gradient before the activation, d = s - mean: 0 where y was cut off (at 0 too, as PyTorch).
  static constexpr int kMaskedFlops = 3;
  BASIN_HD static T masked(T dy, T d, T scale, T shift, T floor) {
    return d * scale + shift <= floor ? T(0) : dy;
  }

  // Backward, first pass: the sums of dy and of dy * d, dy masked.
  static constexpr int kSumsFlops = 4 + kMaskedFlops;
  BASIN_HD static void sums(T dy, T s, T mean, T scale, T shift, T floor, T& a, T& b) {
    const T d = s - mean;
    const T g = masked(dy, d, scale, shift, floor);
    a += g;
    b += g * d;
  }

  // Backward, second pass: ds = scale * dy - (offset + slope * d), dy masked.
  static constexpr int kBackwardFlops = 5 + kMaskedFlops;
  BASIN_HD static T backward(T dy, T s, T mean, T scale, T shift, T floor, T offset, T slope) {
    const T d = s - mean;
    return scale * masked(dy, d, scale, shift, floor) - (offset + slope * d);
  }
};

template <class T>
constexpr T floor_of(Activation act) {
  return act == Activation::Relu ? T(0) : -std::numeric_limits<T>::infinity();
}

// Group norm.
// x, residual (may be null), sum, y: [n, positions, c]; sum is written where residual is given, and
// may be null otherwise. gamma, beta: [c], for each of the parameter groups of images. mean, rstd:
// [n, groups], written.
// scratch (forward and backward): group_norm_act_scratch bytes, 64-byte aligned.
template <class T>
int64_t group_norm_act_scratch(const Stream& stream, const NormShape& shape);
template <class T>
void group_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            void* scratch, ParameterGroups parameters = {});
// ds (=, +=) the gradient with respect to s, given dy and s; null: not wanted. dgamma, dbeta: [c]
// (=, +=), summed image by image within a thread, then over the threads in their order; with CUDA
// within an image, then over the images in float64. `gradients`: of each of those groups of images
// one; either may be single while the other is not.
template <class T>
void group_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch,
                             ParameterGroups parameters = {}, ParameterGroups gradients = {});

// Batch norm in training: mean, rstd and the unbiased variance of the batch: [c], written.
// n * positions >= 2. scratch: batch_norm_act_scratch bytes, 64-byte aligned.
template <class T>
int64_t batch_norm_act_scratch(const Stream& stream, const NormShape& shape);
template <class T>
void batch_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            Wide<T>* unbiased_variance, void* scratch);
template <class T>
void batch_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch);

// Batch norm with given statistics (inference, or frozen in training): mean, variance: [c].
// rstd: [c], written, for the backward pass, in which the statistics are constants.
template <class T>
void fixed_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            const Wide<T>* mean, const Wide<T>* variance, double eps,
                            Activation act, T* sum, T* y, Wide<T>* rstd);
template <class T>
void fixed_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode,
                             void* scratch);  // batch_norm_act_scratch bytes

// running = (1 - momentum) * running + momentum * batch, for mean and unbiased variance: [c].
template <class T>
struct RunningStatistics {
  static constexpr int reads = 4, writes = 2, flops = 6;
  T momentum, keep;
  BASIN_HD void operator()(const T (&in)[4], T (&out)[2]) const {
    out[0] = keep * in[2] + momentum * in[0];
    out[1] = keep * in[3] + momentum * in[1];
  }
};
template <class T>
void update_running_statistics(const Stream& stream, int64_t c, double momentum, const T* mean,
                               const T* unbiased_variance, T* running_mean, T* running_variance);

// What a norm moves between the cache that holds one image (group norm: each tensor once) or none
// (batch norm: each tensor once a pass) and the rest, and computes. A GPU's registers hold an image
// of up to 32 x 32 positions (norm_act.cuh); larger ones it reads again. Parameters and statistics
// are small against the tensors and not counted.
enum class NormKind { Group, Batch, Fixed };
template <class T>
constexpr Cost norm_act_forward_cost(NormKind kind, const NormShape& shape, bool residual) {
  using E = NormElement<Wide<T>>;
  const int64_t size = shape.size(), r = residual ? 1 : 0;
  const int64_t again = kind == NormKind::Batch ? 1 : 0, moments = kind == NormKind::Fixed ? 0 : 1;
  return {(1 + r + again) * size * static_cast<int64_t>(sizeof(T)),
          (1 + r) * size * static_cast<int64_t>(sizeof(T)),
          (E::kForwardFlops + r + moments * E::kMomentFlops) * size};
}
template <class T>
constexpr Cost norm_act_backward_cost(NormKind kind, const NormShape& shape, Write ds_mode) {
  using E = NormElement<Wide<T>>;
  const int64_t size = shape.size(), add = ds_mode == Write::Accumulate ? 1 : 0;
  const int64_t passes = kind == NormKind::Group ? 1 : 2;
  return {(2 * passes + add) * size * static_cast<int64_t>(sizeof(T)),
          size * static_cast<int64_t>(sizeof(T)), (E::kSumsFlops + E::kBackwardFlops + add) * size};
}

// Only where CUDA is built; the same contracts.
namespace cuda {
template <class T>
int64_t group_norm_act_scratch(const NormShape& shape);
template <class T>
void group_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            void* scratch, ParameterGroups parameters);
template <class T>
void group_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch,
                             ParameterGroups parameters, ParameterGroups gradients);
template <class T>
int64_t batch_norm_act_scratch(const NormShape& shape);
template <class T>
void batch_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            double eps, Activation act, T* sum, T* y, Wide<T>* mean, Wide<T>* rstd,
                            Wide<T>* unbiased_variance, void* scratch);
template <class T>
void batch_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch);
template <class T>
void fixed_norm_act_forward(const Stream& stream, const NormShape& shape, const T* x,
                            const T* residual, const Wide<T>* gamma, const Wide<T>* beta,
                            const Wide<T>* mean, const Wide<T>* variance, double eps,
                            Activation act, T* sum, T* y, Wide<T>* rstd);
template <class T>
void fixed_norm_act_backward(const Stream& stream, const NormShape& shape, const T* dy, const T* s,
                             const Wide<T>* gamma, const Wide<T>* beta, const Wide<T>* mean,
                             const Wide<T>* rstd, Activation act, T* ds, Write ds_mode,
                             Wide<T>* dgamma, Wide<T>* dbeta, Write parameter_mode, void* scratch);
}  // namespace cuda

}  // namespace basin
