// What cuDNN's engines compute on the emulated device: float64's loops, rounded as an engine's
// notes say it does.
#pragma once

#include <cstdint>

#include "kernels/conv.h"

namespace basin::emulated {

enum class ConvolutionPass { Forward, BackwardData, BackwardFilter };

// The arrays are dense and in the order of conv.h, x, w and y of one type: float or bfloat16.
struct Convolution {
  ConvShape shape;
  ConvolutionPass pass;
  bool is_bfloat16;

  int64_t element_bytes() const { return is_bfloat16 ? 2 : 4; }
};

enum class Arithmetic {
  Plain,
  Tf32,              // operands rounded to 10 bits behind the point, as tensor cores take float32
  Coarse,            // off by one part in 64
  Nondeterministic,  // off by one unit in the last place, up or down, as the run's number has it
};

// Writes the pass's result to y, x or w, from the two others.
void convolve(const Convolution& convolution, Arithmetic arithmetic, uint64_t run, void* x, void* w,
              void* y);

}  // namespace basin::emulated
