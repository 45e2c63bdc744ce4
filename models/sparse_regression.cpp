#include "models/sparse_regression.h"

#include <cmath>
#include <functional>
#include <limits>

#include "kernels/error.h"
#include "kernels/random.h"

namespace basin {
namespace {

Regression features(int64_t n, int64_t d, const std::function<double(int64_t)>& normal_at) {
  Regression r;
  r.n = n, r.d = d;
  for (int64_t i = 0; i < n * d; ++i) r.x.push_back(normal_at(i));
  return r;
}

void add_targets(Regression& r, const std::vector<double>& theta) {
  for (int64_t k = 0; k < r.n; ++k) {
    double y = 0;
    for (int64_t j = 0; j < r.d; ++j) y += r.x[k * r.d + j] * theta[j];
    r.y.push_back(y);
  }
}

}  // namespace

SparseRegression make_sparse_regression(const SparseRegressionOptions& o) {
  BASIN_CHECK(o.sparsity >= 1 && o.sparsity <= o.d, "--sparsity",
              "found {}, expected 1 to the {} of --d", o.sparsity, o.d);
  SparseRegression p;
  if (o.rng == DataRng::Numpy) {
    BASIN_CHECK(o.seed <= std::numeric_limits<uint32_t>::max(), "--seed",
                "found {}, expected one of NumPy's, below 2^32", o.seed);
    p.draws.emplace(static_cast<uint32_t>(o.seed));
  }
  uint32_t lane = 0;
  const auto draw = [&](int64_t n) {
    const uint32_t own = lane++;
    return features(n, o.d, [&](int64_t i) {
      if (p.draws) return p.draws->normal();
      return normal(philox_at(o.seed, Purpose::Data, own, static_cast<uint64_t>(i)));
    });
  };
  p.train = draw(o.n), p.test = draw(o.tests), p.theta = draw(1).x;
  double squares = 0;
  for (int64_t j = 0; j < o.d; ++j) {
    p.theta[j] = j < o.sparsity ? std::abs(p.theta[j]) : 0.0;
    squares += p.theta[j] * p.theta[j];
  }
  for (double& value : p.theta) value /= std::sqrt(squares);
  add_targets(p.train, p.theta);
  add_targets(p.test, p.theta);
  return p;
}

}  // namespace basin
