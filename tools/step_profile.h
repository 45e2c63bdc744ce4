// One training step op by op: its time, beside what the machine's roofs allow, and its counters.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tools/counters.h"
#include "tools/roofline.h"
#include "tools/step_bench.h"

namespace basin {

// All calls in a step of the ops of one description, or of one of the optimiser's kernels.
struct ProfileRow {
  std::string op, pass;  // forward, backward, or update
  int64_t calls = 0;
  Work work;  // seconds: of the step, the threads sharing the work
  std::optional<Counts> counts;
};

struct StepProfile {
  double step_ms = 0;
  int threads = 0;
  std::vector<ThreadTrace> traces;
  std::vector<ProfileRow> rows;  // the longest first
  Ceilings ceilings;
  std::string no_counters;  // why the rows have no counts
};

// Times a few steps and keeps the fastest; then, so that nothing disturbs the times, measures the
// ceilings, and reads the counters in a step of their own.
StepProfile profile_step(StepBench& bench);

// A table of at most so many rows, and what its columns mean.
void print_profile(const StepProfile& profile, int most_rows);
// {"step_ms", "ceilings", "rows", "no_counters" where there are none}; rates are a second.
nlohmann::ordered_json profile_json(const StepProfile& profile);

}  // namespace basin
