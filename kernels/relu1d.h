// Training of a network of one hidden ReLU layer and one input, f(x) = sum_j a_j relu(w_j x + b_j),
// on n points with the loss 1/2 sum_k (f(x_k) - y_k)^2 (a sum, not a mean), full batch: gradient
// descent and n-SAM as in Andriushchenko & Flammarion 2022, "Towards Understanding Sharpness-Aware
// Minimization" (its one-dimensional experiment). A call runs many steps of several networks;
// everything stays in a core's first-level cache.
//
// With g the gradient by all of (w, b, a), one step t = 1, 2, ... is
//   GD     theta -= gamma g(theta)
//   n-SAM  theta -= gamma g(theta + rho g(theta) / |g(theta)|), or along rho g(theta)
// With r_k = f(x_k) - y_k, s_j = sum of r_k and q_j = sum of r_k x_k over the points at which unit
// j is active (w_j x_k + b_j > 0), the gradient is
//   dw_j = a_j q_j,  db_j = a_j s_j,  da_j = w_j q_j + b_j s_j.
#pragma once

#include <cstdint>

#include "kernels/sam.h"

namespace basin {

template <class T>
struct Relu1dPoints {
  int64_t n;
  const T *x, *y;  // [n]
};

// Which loss ends a run: that of the weights, or of the point at which the step's last gradient is
// taken. Without SAM they are one.
enum class WatchedLoss { Plain, Perturbed };

struct Relu1dRule {
  double gamma = 0;  // learning rate
  double rho = 0;    // SAM's radius; 0: gradient descent
  Normalise normalise = Normalise::Yes;
  int64_t decay_steps = 0;  // gamma_t = gamma max(0, 1 - t / decay_steps); 0: constant
  double enough = -1;       // the step that finds a loss of at most this is the last
  WatchedLoss watched = WatchedLoss::Perturbed;
};

enum class Relu1dEnd { None, Fitted, Diverged };

struct Relu1dProgress {
  int64_t steps = 0;                    // done
  double loss = 0, loss_perturbed = 0;  // what the last step found: before it, and at its ascent's
                                        // end (without SAM the same)
  Relu1dEnd end = Relu1dEnd::None;      // Diverged: one of these is not finite
};

// Multiply-adds count two, a ReLU and a comparison one: in a pass 5 forward, 5 backward for each
// unit and point.
constexpr int64_t relu1d_step_flops(const Relu1dRule& rule, int64_t units, int64_t n) {
  return (rule.rho == 0 ? 10 : 20) * units * n;
}

// Elements of T that relu1d_run() needs as scratch.
template <class T>
int64_t relu1d_scratch(const Stream& stream, int64_t units, int64_t n, int64_t m);

// Moves m networks on, each to `until` steps in all, or to its end. A CPU stream; a thread has a
// network at a time.
// weights: [m, 3, units], w, b and a of each; progress: [m]; both are read and written.
template <class T>
void relu1d_run(const Stream& stream, const Relu1dPoints<T>& points, int64_t units, int64_t m,
                const Relu1dRule& rule, int64_t until, T* weights, Relu1dProgress* progress,
                T* scratch);

}  // namespace basin
