// Loss and accuracy of a network on a whole data set, forward only.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/chunked_replay.h"
#include "engine/data/loader.h"
#include "tools/train_state.h"

namespace basin {

class Evaluation {
 public:
  // All outlive it; the running statistics of `state` are read at each evaluation.
  Evaluation(TrainState& state, const Dataset& data, const StepOptions& o);

  // Mean loss, and the share of labels that are met, at `weights`.
  std::pair<double, double> operator()(const Stream& stream, const Arena& weights);

 private:
  Loader loader_;
  int64_t size_, batch_;
  std::unique_ptr<ChunkedReplay> whole_, rest_;  // whole batches, and one smaller one
  std::vector<float> images_;
  std::vector<int32_t> labels_;
};

}  // namespace basin
