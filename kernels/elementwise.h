// Element functors of the activations and of the small arithmetic of a tape, forward and backward
// side by side. Each is instantiated for both backends by the one list at the end.
#pragma once

#include <cmath>

#include "kernels/map.h"

namespace basin {

// x -> x
template <class T>
struct Copy {
  static constexpr int reads = 1, writes = 1, flops = 0;
  BASIN_HD void operator()(const T (&in)[1], T (&out)[1]) const { out[0] = in[0]; }
};

// -> value
template <class T>
struct Fill {
  static constexpr int reads = 0, writes = 1, flops = 0;
  T value;
  BASIN_HD void operator()(T (&out)[1]) const { out[0] = value; }
};

// a, b -> a + b
template <class T>
struct Add {
  static constexpr int reads = 2, writes = 1, flops = 1;
  BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const { out[0] = in[0] + in[1]; }
};

// a, b -> a b. The gradient with respect to either is the other times dy: Mul again.
template <class T>
struct Mul {
  static constexpr int reads = 2, writes = 1, flops = 1;
  BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const { out[0] = in[0] * in[1]; }
};

// x -> factor x
template <class T>
struct Scale {
  static constexpr int reads = 1, writes = 1, flops = 1;
  T factor;
  BASIN_HD void operator()(const T (&in)[1], T (&out)[1]) const { out[0] = factor * in[0]; }
};

// y, x -> y + s x
template <class T>
struct AddScaled {
  static constexpr int reads = 2, writes = 1, flops = 2;
  T s;
  BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const { out[0] = in[0] + s * in[1]; }
};

// x -> factor *by x, the scalar `by` in device memory: a stored gradient times its adjoint.
template <class T>
struct ScaleBy {
  static constexpr int reads = 1, writes = 1, flops = 1;
  const T* by;
  T factor;
  BASIN_HD Scale<T> load() const { return {factor * *by}; }
};

// -> factor *value, to every element: the gradient of a sum.
template <class T>
struct Broadcast {
  static constexpr int reads = 0, writes = 1, flops = 0;
  const T* value;
  T factor;
  BASIN_HD Fill<T> load() const { return {factor * *value}; }
};

// -> factor *value, computed in float64: the result of a reduction, made an element of T.
template <class T>
struct FromDouble {
  static constexpr int reads = 0, writes = 1, flops = 0;
  const double* value;
  double factor;
  BASIN_HD Fill<T> load() const { return {static_cast<T>(factor * *value)}; }
};

// y = max(x, 0), NaN where x is NaN. The gradient at 0 is 0, as in PyTorch.
template <class T>
struct Relu {
  struct Forward {  // x -> y
    static constexpr int reads = 1, writes = 1, flops = 1;
    BASIN_HD void operator()(const T (&in)[1], T (&out)[1]) const {
      out[0] = in[0] < T(0) ? T(0) : in[0];
    }
  };
  struct Backward {  // dy, y -> dx
    static constexpr int reads = 2, writes = 1, flops = 1;
    BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const {
      out[0] = in[1] <= T(0) ? T(0) : in[0];
    }
  };
};

// y = log(1 + exp(beta x)) / beta, without overflow: with z = beta x,
// log(1 + exp z) = max(z, 0) + log1p(exp(-|z|)).
template <class T>
struct Softplus {
  struct Forward {  // x -> y
    static constexpr int reads = 1, writes = 1, flops = 6;
    T beta;
    BASIN_HD void operator()(const T (&in)[1], T (&out)[1]) const {
      using std::exp, std::log1p;
      const T z = beta * in[0];
      const bool positive = z > T(0);
      const T tail = log1p(exp(positive ? -z : z));
      out[0] = ((positive ? z : T(0)) + tail) / beta;
    }
  };
  struct Backward {  // dy, x -> dx = dy / (1 + exp(-beta x))
    static constexpr int reads = 2, writes = 1, flops = 6;
    T beta;
    BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const {
      using std::exp;
      const T z = beta * in[1];
      const bool positive = z > T(0);
      const T e = exp(positive ? -z : z);
      out[0] = in[0] * ((positive ? T(1) : e) / (T(1) + e));
    }
  };
};

}  // namespace basin

// Every functor above: the one list that elementwise.cpp and elementwise.cu instantiate, plain and
// Accumulated, for each T.
#define BASIN_ELEMENTWISE_FUNCTORS(INSTANTIATE, T) \
  INSTANTIATE(T, Copy<T>)                          \
  INSTANTIATE(T, Fill<T>)                          \
  INSTANTIATE(T, Add<T>)                           \
  INSTANTIATE(T, Mul<T>)                           \
  INSTANTIATE(T, Scale<T>)                         \
  INSTANTIATE(T, AddScaled<T>)                     \
  INSTANTIATE(T, ScaleBy<T>)                       \
  INSTANTIATE(T, Broadcast<T>)                     \
  INSTANTIATE(T, FromDouble<T>)                    \
  INSTANTIATE(T, Relu<T>::Forward)                 \
  INSTANTIATE(T, Relu<T>::Backward)                \
  INSTANTIATE(T, Softplus<T>::Forward)             \
  INSTANTIATE(T, Softplus<T>::Backward)
