// Element functors of the activations and of the small arithmetic of a tape, forward and backward
// side by side. Each is instantiated for both backends by the one list at the end.
#pragma once

#include <cmath>

#include "kernels/map.h"

namespace basin {

template <class T>
struct Copy {
  static constexpr int reads = 1, writes = 1, flops = 0;
  BASIN_HD void operator()(const T (&in)[1], T (&out)[1]) const { out[0] = in[0]; }
};

template <class T>
struct Fill {
  static constexpr int reads = 0, writes = 1, flops = 0;
  T value;
};

// y = max(x, 0). The gradient at 0 is 0, as in PyTorch.
template <class T>
struct Relu {
  struct Forward {   // x -> y
    static constexpr int reads = 1, writes = 1, flops = 1;
    BASIN_HD void operator()(const T (&in)[1], T (&out)[1]) const {
      out[0] = in[0] > T(0) ? in[0] : T(0);
    }
  };
  struct Backward {  // dy, y -> dx
    static constexpr int reads = 2, writes = 1, flops = 1;
    BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const {
      out[0] = in[1] > T(0) ? in[0] : T(0);
    }
  };
};

}  // namespace basin
