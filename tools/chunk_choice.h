// How many examples a thread replays at once, by measurement (`--chunk measure`).
#pragma once

#include <string>
#include <vector>

#include "models/model.h"
#include "tools/step_options.h"

namespace basin {

struct ChunkCost {
  int64_t chunk;
  double ms;  // of both passes, an example and thread
};

// The cheapest chunk, or `costs[0]`'s where none is clearly cheaper.
int64_t cheapest_chunk(const std::vector<ChunkCost>& costs);

// Where options.chunk is kMeasuredChunk: times a gradient at chunks of 16, 32, 8 and 64 examples,
// in this order and for less than half a second, and sets options.chunk to the cheapest. Returns a
// line that says so; elsewhere, nothing. On CUDA, and for a network that takes its batch whole,
// nothing is cut: 0.
std::string choose_chunk(const Stream& stream, const ModelOptions& network, DType dtype,
                         StepOptions& options);

}  // namespace basin
