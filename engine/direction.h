// Random directions in parameter space. The number of an element depends on the seed, the lane and
// its place in the arena: not on device or threads.
#pragma once

#include "engine/arena.h"
#include "kernels/random.h"

namespace basin {

// N(0, 1) in every parameter, from the stream (seed, purpose, lane) of random.h; `step`, in the
// stream's memory, counts lanes on (null: none).
void random_direction(const Stream& stream, Arena& direction, uint64_t seed, Purpose purpose,
                      uint32_t lane, const double* step = nullptr);

// Filter normalisation (Li et al. 2018): each filter of a convolution or linear weight (all that
// leads to one output channel) gets the norm of that filter of `weights`; biases and the norms'
// scales and shifts become 0.
void filter_normalise(const Stream& stream, const Arena& weights, Arena& direction);

// |a|_2 over all parameters, on the host.
double norm(const Stream& stream, const Arena& a);

}  // namespace basin
