// Loss and error of a trained network at any point of its parameter space: what a surface is made
// of.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/statistics.h"
#include "tools/evaluation.h"
#include "tools/trained_network.h"

namespace basin {

struct SplitResult {
  double loss, error;  // the mean loss, the share of labels that are missed
};
struct SurfaceRow {
  double a, b;  // the place: t of a line, or the coordinates of a plane
  std::vector<SplitResult> splits;
};

struct ProbeOptions {
  std::vector<std::string> splits{"train", "test"};
  int64_t examples = 1024;  // the first ones of each split
  int64_t reestimate = 0;   // training images for batch norm's statistics; 0: the checkpoint's own
  uint64_t seed = 0;
};

class SurfaceProbe {
 public:
  // The network outlives it; its running statistics are written where they are estimated anew.
  SurfaceProbe(const Stream& stream, TrainedNetwork& network, const ProbeOptions& options);

  // To be filled with the point before it is looked at.
  Arena& point() { return *point_; }
  // Of each split, at point().
  std::vector<SplitResult> operator()();

 private:
  std::unique_ptr<Arena> point_;  // the evaluations hold on to it
  std::vector<Dataset> data_;
  std::vector<std::unique_ptr<Evaluation>> evaluations_;
  std::optional<StatisticsEstimate> estimate_;
};

}  // namespace basin
