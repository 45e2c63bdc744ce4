// Batch norm's running statistics at any point, estimated anew.
#pragma once

#include <optional>

#include "engine/batch_replay.h"
#include "engine/data/loader.h"

namespace basin {

struct StatisticsOptions {
  int64_t images = 5000;
  uint64_t seed = 0;
  Augmentation augmentation;
};

// The plain average of the statistics of whole batches of 128 (of `images`, where that is less), as
// torch's BatchNorm with momentum=None has it: running means and unbiased variances. The images are
// the first ones of a shuffled, augmented epoch, the same at every point.
class StatisticsEstimate {
 public:
  // All outlive it; `parameters` gives the layout. More images than there are is an Error(Usage).
  StatisticsEstimate(const Stream& stream, const RecordNetwork& network, const Arena& parameters,
                     Arena& buffers, const Dataset& data, const StatisticsOptions& options);

  // Writes `buffers`.
  void operator()(const Arena& at);

 private:
  Stream stream_;
  Arena& buffers_;
  int64_t batch_, batches_;
  Loader loader_;
  Buffer images_, labels_;
  std::unique_ptr<Tape> tape_;
  std::optional<Point> point_;
  std::optional<Workspace> work_;
};

}  // namespace basin
