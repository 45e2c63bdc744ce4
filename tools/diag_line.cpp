#include "tools/diag_line.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/checkpoint.h"
#include "engine/io/npy.h"
#include "kernels/error.h"
#include "tools/diag_runs.h"
#include "tools/plot.h"

namespace basin {
namespace {

// [2, d] of a run's weights.npy.
std::vector<double> read_weights(const std::string& path, int64_t d) {
  const HostTensor tensor = read_npy(path);
  BASIN_CHECK(tensor.shape == (std::vector<int64_t>{1, 2, d}), path,
              "found an array of [{}], expected the weights of one run, [1, 2, {}]",
              fmt::join(tensor.shape, ", "), d);
  return host_values(tensor);
}

// |X (u o v) - y|^2 / (2n).
double loss(const Regression& data, const std::vector<double>& w) {
  double total = 0;
  for (int64_t i = 0; i < data.n; ++i) {
    double residual = -data.y[i];
    for (int64_t j = 0; j < data.d; ++j) residual += data.x[i * data.d + j] * w[j] * w[data.d + j];
    total += residual * residual;
  }
  return total / (2 * static_cast<double>(data.n));
}

}  // namespace

void write_diag_line(const DiagOptions& o) {
  const SparseRegression problem = std::move(diag_problems(o)[0]);
  const int64_t d = problem.train.d;
  const std::vector<double> a = read_weights(o.between[0], d), b = read_weights(o.between[1], d);
  std::string csv = "t,train_loss,test_loss\n";
  nlohmann::ordered_json least;
  for (int64_t k = 0; k < o.points; ++k) {
    const double t = o.from + (o.to - o.from) * static_cast<double>(k) /
                                  static_cast<double>(std::max<int64_t>(o.points - 1, 1));
    std::vector<double> w(2 * d);
    for (int64_t j = 0; j < 2 * d; ++j) w[j] = (1 - t) * a[j] + t * b[j];
    const double train = loss(problem.train, w), test = loss(problem.test, w);
    csv += fmt::format("{:.17g},{:.17g},{:.17g}\n", t, train, test);
    if (least.is_null() || test < least["test_loss"].get<double>()) {
      least = {{"t", t}, {"train_loss", train}, {"test_loss", test}};
    }
  }
  ResultFiles(o.out, "line").write("csv", csv);
  const auto at = [&](const std::vector<double>& w) {
    return nlohmann::ordered_json{{"train_loss", loss(problem.train, w)},
                                  {"test_loss", loss(problem.test, w)}};
  };
  ResultFiles(o.out, "summary")
      .write("json",
             nlohmann::ordered_json{{"first", at(a)}, {"second", at(b)}, {"least", least}}.dump(2) +
                 "\n");
}

}  // namespace basin
