// Stochastic gradient descent in one pass over the whole arena: weight decay, momentum, update.
// The learning rate is read from device memory, so that a captured step outlives a schedule.
#pragma once

#include "kernels/map.h"

namespace basin {

enum class Nesterov { No, Yes };
// Where weight decay acts: in the gradient at w (L2, before the momentum), or on the weight itself.
enum class Decay { L2, Decoupled };

// w, g, v -> w, v as torch.optim.SGD (dampening 0; v = 0 before the first step):
//   g' = g + decay w (L2) or g (decoupled);   v = momentum v + g';
//   u = g' + momentum v (Nesterov) or v;      w -= lr (u + decay w (decoupled)).
template <class T>
struct MomentumDescent {
  // Either form of decay; Nesterov computes two more (of 20 bytes, they cost no time).
  static constexpr int reads = 3, writes = 2, flops = 6, nesterov_flops = 8;
  struct Bound {
    static constexpr int reads = 3, writes = 2, flops = 6;
    T lr, momentum, decay;
    Nesterov nesterov;
    Decay form;
    BASIN_HD void operator()(const T (&in)[3], T (&out)[2]) const {
      const T w = in[0];
      const T g = form == Decay::L2 ? in[1] + decay * w : in[1];
      const T v = momentum * in[2] + g;
      const T u = nesterov == Nesterov::Yes ? g + momentum * v : v;
      out[0] = w - lr * (form == Decay::L2 ? u : u + decay * w);
      out[1] = v;
    }
  };
  const double* lr;  // in device memory
  T momentum, decay;
  Nesterov nesterov;
  Decay form;
  BASIN_HD Bound load() const { return {static_cast<T>(*lr), momentum, decay, nesterov, form}; }
};

// w, g -> w - lr (g + decay w), without momentum: no velocity array is read or written, and both
// forms of decay are the same.
template <class T>
struct PlainDescent {
  static constexpr int reads = 2, writes = 1, flops = 4;
  struct Bound {
    static constexpr int reads = 2, writes = 1, flops = 4;
    T lr, decay;
    BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const {
      out[0] = in[0] - lr * (in[1] + decay * in[0]);
    }
  };
  const double* lr;  // in device memory
  T decay;
  BASIN_HD Bound load() const { return {static_cast<T>(*lr), decay}; }
};

}  // namespace basin

// The list that sgd.cpp and sgd.cu instantiate, for each T.
#define BASIN_SGD_FUNCTORS(INSTANTIATE, T) \
  INSTANTIATE(T, MomentumDescent<T>)       \
  INSTANTIATE(T, PlainDescent<T>)
