#include "tools/power_law.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/error.h"

namespace basin {
namespace {

// ln v less its mean. Taken relative to the first value, so that equal values give zeros exactly.
std::vector<double> centred_logs(std::span<const double> values, const char* name) {
  std::vector<double> logs;
  for (const double v : values) {
    BASIN_CHECK(std::isfinite(v) && v > 0, name, "found {}, expected a finite number above 0", v);
    logs.push_back(std::log(v) - std::log(values[0]));
  }
  const double mean =
      std::accumulate(logs.begin(), logs.end(), 0.0) / static_cast<double>(logs.size());
  for (double& l : logs) l -= mean;
  return logs;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

}  // namespace

double PowerLaw::at(double x) const {
  return coefficient * std::pow(x, exponent);
}

PowerLaw fit_power_law(std::span<const double> x, std::span<const double> y) {
  BASIN_CHECK(x.size() == y.size(), "[power law] y", "found {} values, expected {}, as x has",
              y.size(), x.size());
  BASIN_CHECK(x.size() >= 2, "[power law] x", "found {} values, expected at least 2", x.size());
  const std::vector<double> u = centred_logs(x, "[power law] x"),
                            v = centred_logs(y, "[power law] y");
  const double uu = dot(u, u), vv = dot(v, v);
  BASIN_CHECK(uu > 0, "[power law] x", "found {} throughout, expected two different values", x[0]);

  PowerLaw law;
  law.exponent = dot(u, v) / uu;
  // The line passes through both means, and u[0] = ln x[0] - mean, v[0] = ln y[0] - mean.
  law.coefficient = std::exp(std::log(y[0]) - v[0] - law.exponent * (std::log(x[0]) - u[0]));
  double residual = 0;
  for (size_t i = 0; i < u.size(); ++i) residual += std::pow(v[i] - law.exponent * u[i], 2);
  law.r_squared = vv > 0 ? 1 - residual / vv : 1;
  if (u.size() > 2) {
    law.standard_error = std::sqrt(residual / static_cast<double>(u.size() - 2) / uu);
  }
  return law;
}

}  // namespace basin
