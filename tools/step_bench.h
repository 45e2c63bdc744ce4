// The cost of one training step and of its parts, measured.
#pragma once

#include <utility>
#include <vector>

#include "tools/trace.h"
#include "tools/train_state.h"

namespace basin {

// Milliseconds. The parts of a step add up to it, but for what lies between them: weights packed,
// gradients unpacked and added, threads waiting for each other.
struct StepTimes {
  double step = 0, forward = 0, backward = 0, norm = 0, ascent = 0, descent = 0;
  // Of the passes: convolutions and matrix products.
  double products = 0;
};

// A network with a fixed random batch, warmed up.
class StepBench {
 public:
  StepBench(const ModelOptions& network, const StepOptions& options);

  // One step untimed, and one timed whole; then each of its parts, timed apart, in the same memory.
  StepTimes measure();

  // One step: what each op of each thread took, and the step's milliseconds.
  std::pair<std::vector<ThreadTrace>, double> trace();

  const ChunkedReplay& replay() const { return *state_.replay; }
  // What a step must move beside its passes: norm and ascent (SAM), and descent.
  int64_t update_bytes() const;
  // Bytes a second of y = y + x on as many floats as there are parameters: what an update can
  // reach.
  double update_bandwidth() const;

 private:
  template <class Body>
  std::vector<ThreadTrace> traced(const Body& body);
  void time_passes(StepTimes& times);

  StepOptions options_;
  Stream stream_;
  TrainState state_;
  Arena gradient_, point_, velocity_;
  Buffer partials_;
  std::vector<float> images_;
  std::vector<int32_t> labels_;
  int passes_;
};

// The median of some values; they must not be none.
double median(std::vector<double> values);

}  // namespace basin
