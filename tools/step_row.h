// A row of a table of steps: what was run, and what it took, round by round.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/step_bench.h"

namespace basin {

// The parts of a step that tables show.
struct StepPart {
  const char* name;
  double StepTimes::*time;
};
inline constexpr StepPart kStepParts[] = {{"forward", &StepTimes::forward},
                                          {"backward", &StepTimes::backward},
                                          {"norm", &StepTimes::norm},
                                          {"ascent", &StepTimes::ascent},
                                          {"descent", &StepTimes::descent}};

struct Spread {
  double median = 0, min = 0, max = 0;
};

struct StepRow {
  std::string model;
  int64_t width;
  StepOptions step;
  std::string engine = "basin", precision = "float32";
  std::vector<StepTimes> times;  // another engine's have the whole step alone

  bool has_parts() const { return engine == "basin"; }
  // Of a member of StepTimes over the rounds; there must be one.
  Spread spread(const std::function<double(const StepTimes&)>& part) const;
};

// With the spread of the step and the medians of its parts.
nlohmann::ordered_json to_json(const StepRow& row);

// Between two rows: PyTorch's threads spin for a while behind a step of theirs, and so do ours.
void let_threads_sleep();

}  // namespace basin
