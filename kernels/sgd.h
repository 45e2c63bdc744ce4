// Stochastic gradient descent in one pass over the whole arena: weight decay, momentum, update.
#pragma once

#include "kernels/map.h"

namespace basin {

enum class Nesterov { No, Yes };
// Where weight decay acts: in the gradient at w (L2, before the momentum), or on the weight itself.
enum class Decay { L2, Decoupled };

// w, g, v -> w, v as torch.optim.SGD (dampening 0):  g' = g + decay w (L2);  v = mu v + g';
// w -= lr (Nesterov ? g' + mu v : v);  decoupled: w -= lr decay w_old instead of the L2 term.
template <class T>
struct MomentumDescent {
  static constexpr int reads = 3, writes = 2, flops = 6;
  const double* lr;  // in device memory
  T momentum, decay;
  Nesterov nesterov;
  Decay form;
};

// w, g -> w, without momentum: no velocity array is read or written.
template <class T>
struct PlainDescent;

}  // namespace basin
