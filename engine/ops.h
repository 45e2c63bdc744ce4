// Every op's public function: the vocabulary of a tape on one page. Each runs at once, is recorded,
// and throws a one-line error that names the op and the shapes it cannot take.
// Images are NHWC; the leading extent is the batch.
#pragma once

#include "engine/tape.h"
#include "kernels/norm_act.h"

namespace basin {

// Element by element (engine/ops/elementwise.cpp).
Variable relu(const Variable& x);                       // the gradient at 0 is 0
Variable softplus(const Variable& x, double beta = 1);  // log(1 + exp(beta x)) / beta
Variable add(const Variable& a, const Variable& b);     // equal shapes
Variable mul(const Variable& a, const Variable& b);     // equal shapes
Variable scale(const Variable& x, double factor);

// Reductions to one element (reduce.cpp).
Variable sum(const Variable& x);
Variable mean(const Variable& x);
Variable l2_term(const Variable& w, double lambda);  // lambda / 2 * sum w^2

// Matrix products (linear.cpp).
Variable matmul(const Variable& a, const Variable& b);  // [m,k] [k,n] -> [m,n]
Variable linear(const Variable& x, const Variable& w);  // [n,in] [out,in] -> [n,out]: x w^T
Variable bias(const Variable& x, const Variable& b);    // [...,c] + [c]
Variable linear(const Variable& x, const Variable& w, const Variable& b);

// x: [n,h,w,in], w: [out,k,k,in], a parameter -> [n,h',w',out] (conv.cpp).
struct ConvOptions {
  int64_t stride = 1, padding = 0;
};
Variable conv2d(const Variable& x, const Variable& w, const ConvOptions& options = {});

// Normalisation, fused with the activation, and with a residual's add before it (norm_act.cpp):
// sum = x + residual,  y = act(norm(sum) * gamma + beta).  gamma, beta: [c].
struct NormActResult {
  Variable y, sum;  // sum: only of the residual form
};
struct GroupNormOptions {
  int64_t groups = 1;
  double eps = 1e-5;
  Activation activation = Activation::Relu;
};
Variable group_norm_act(const Variable& x, const Variable& gamma, const Variable& beta,
                        const GroupNormOptions& options);
NormActResult group_norm_act(const Variable& x, const Variable& residual, const Variable& gamma,
                             const Variable& beta, const GroupNormOptions& options);
// Training tapes use the batch's statistics, and Workspace::track() updates the running ones;
// frozen and inference tapes use the running ones.
struct BatchNormOptions {
  std::string running_mean, running_variance, counter;  // tensors of the buffers' arena
  double eps = 1e-5, momentum = 0.1;
  Activation activation = Activation::Relu;
};
Variable batch_norm_act(const Variable& x, const Variable& gamma, const Variable& beta,
                        const BatchNormOptions& options);
NormActResult batch_norm_act(const Variable& x, const Variable& residual, const Variable& gamma,
                             const Variable& beta, const BatchNormOptions& options);

// To bfloat16 and back; x itself where it has the type already (cast.cpp). conv2d, the norms and
// global_pool take bfloat16, the last one's mean being float32 again; no other op does.
Variable cast(const Variable& x, DType dtype);

// Pooling and shape (pool.cpp, reshape.cpp).
Variable average_pool(const Variable& x, int64_t window, int64_t stride);  // [n,h,w,c]
Variable global_pool(const Variable& x);                                   // [n,h,w,c] -> [n,c]
Variable flatten(const Variable& x);                                       // [n,...] -> [n,rest]

// Losses (loss.cpp). labels: int32 [n]; logits: [n,classes].
struct CrossEntropyResult {
  Variable loss;     // [1]: the mean over the batch
  Variable correct;  // [1]: how many rows have their maximum at the label; no gradient
};
CrossEntropyResult cross_entropy(const Variable& logits, const Variable& labels);
Variable squared_error(const Variable& x, const Variable& y);  // [1]: mean of (x - y)^2

}  // namespace basin
