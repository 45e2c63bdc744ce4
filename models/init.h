// Initial weights, from Philox: the same on every device, whatever the memory layout.
#pragma once

#include "engine/arena.h"

namespace basin {

// As understanding-sam (models.py): convolutions N(0, 2 / (k k out)) (He, fan-out), norm scale 1
// and bias 0, linear bias 0, linear weight U(-1/sqrt(in), 1/sqrt(in)). Tensor i takes lane i of the
// stream (seed, Initialise), its element j (PyTorch's order) index j.
void initialise(const Stream& stream, Arena& parameters, uint64_t seed);
// Running means 0, variances 1, counters 0.
void initialise_buffers(const Stream& stream, Arena& buffers);

}  // namespace basin
