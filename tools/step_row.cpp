#include "tools/step_row.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

namespace basin {

Spread StepRow::spread(const std::function<double(const StepTimes&)>& part) const {
  std::vector<double> values;
  for (const StepTimes& t : times) values.push_back(part(t));
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  return {median(values), *min, *max};
}

nlohmann::ordered_json to_json(const StepRow& row) {
  const Spread step = row.spread(&StepTimes::step);
  nlohmann::ordered_json r{{"model", row.model},           {"width", row.width},
                           {"batch", row.step.batch},      {"optimizer", row.step.optimizer.name},
                           {"microbatch", row.step.batch}, {"engine", row.engine},
                           {"precision", row.precision},   {"threads", row.step.threads},
                           {"median_ms", step.median},     {"min_ms", step.min},
                           {"max_ms", step.max},           {"repeats", row.times.size()}};
  if (row.has_parts()) {
    for (const StepPart& part : kStepParts) {
      r["parts_ms"][part.name] = row.spread(part.time).median;
    }
  }
  return r;
}

void let_threads_sleep() {
  std::this_thread::sleep_for(std::chrono::milliseconds(15));
}

}  // namespace basin
