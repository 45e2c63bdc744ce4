// What a pass of an op moves and computes, by its shapes and its kernels' counted costs.
#pragma once

#include "engine/replay.h"
#include "kernels/cost.h"

namespace basin {

// Whether the op is a convolution or a matrix product.
bool is_product(const Program& program, int node);

// Products: each of a backward pass's two has the cost of the forward pass; flops are the direct
// ones, of which Winograd's way does fewer. Norms and the loss: their kernels' costs. Other ops:
// the bytes of what a pass reads and writes, each once, and no flops.
Cost op_cost(const Program& program, int node, Pass pass);

}  // namespace basin
