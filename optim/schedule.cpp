#include "optim/schedule.h"

#include <cmath>
#include <numbers>

#include "kernels/error.h"

namespace basin {

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names{
      "constant", "piecewise", "piecewise_02epochs", "piecewise_03epochs", "piecewise_04epochs",
      "cosine",   "cyclic"};
  return names;
}

double learning_rate(const std::string& schedule, double lr, double t, double epochs) {
  const double done = t / epochs;
  const auto piecewise = [&](double first) {
    return done < first ? lr : done < 0.75 ? lr / 10 : lr / 100;
  };
  if (schedule == "constant") return lr;
  if (schedule == "piecewise") return piecewise(0.5);
  if (schedule == "piecewise_02epochs") return piecewise(0.2);
  if (schedule == "piecewise_03epochs") return piecewise(0.3);
  if (schedule == "piecewise_04epochs") return piecewise(0.4);
  if (schedule == "cosine") return lr * (0.5 + 0.5 * std::cos(std::numbers::pi * done));
  if (schedule == "cyclic") {
    const double top = std::floor(2 * epochs / 5);  // 0 for one and two epochs: only the fall
    return t <= top ? lr * t / top : lr * (epochs - t) / (epochs - top);
  }
  std::string known;
  for (const std::string& name : schedule_names()) known += (known.empty() ? "" : ", ") + name;
  fail("--schedule", "found '{}', expected one of {}", schedule, known);
}

}  // namespace basin
