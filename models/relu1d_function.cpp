#include "models/relu1d_function.h"

#include <algorithm>
#include <cmath>

namespace basin {

double relu1d_value(const Relu1dWeights& weights, double x) {
  double f = 0;
  for (size_t j = 0; j < weights.w.size(); ++j) {
    const double z = double{weights.w[j]} * x + weights.b[j];
    f += weights.a[j] * (z < 0 ? 0 : z);
  }
  return f;
}

std::vector<Kink> relu1d_kinks(const Relu1dWeights& weights, double low, double high,
                               double merge) {
  struct Bend {
    double x, change;
  };
  std::vector<Bend> bends;
  for (size_t j = 0; j < weights.w.size(); ++j) {
    const double w = weights.w[j], x = -weights.b[j] / w;  // w = 0: x is none inside
    if (x > low && x < high) bends.push_back({x, weights.a[j] * std::abs(w)});
  }
  std::sort(bends.begin(), bends.end(), [](const Bend& a, const Bend& b) { return a.x < b.x; });
  std::vector<Kink> kinks;
  double last = 0, weight = 0;
  for (const Bend& bend : bends) {
    if (kinks.empty() || bend.x - last > merge) {
      kinks.push_back({bend.x, 0, 0});
      weight = 0;
    }
    Kink& kink = kinks.back();
    const double size = std::abs(bend.change);
    weight += size;
    if (weight > 0) kink.x += (bend.x - kink.x) * (size / weight);
    kink.slope_change += bend.change, ++kink.units;
    last = bend.x;
  }
  return kinks;
}

Grid Relu1dView::grid() const {
  // The end belongs to it, as in the notebook; a tenth of a step for rounding.
  const double steps = (high - low) / step + 10;
  return {low - 5 * step, step, static_cast<int64_t>(steps + 0.1) + 1};
}

Relu1dView relu1d_view(const Regression& data) {
  const auto [low, high] = std::minmax_element(data.x.begin(), data.x.end());
  const double width = *high - *low;
  return {*low, *high, width > 0 ? width / 275 : 0.01};
}

Relu1dMeasures measure(const Relu1dWeights& weights, const Regression& data,
                       const Relu1dView& view) {
  Relu1dMeasures m;
  for (int64_t k = 0; k < data.n; ++k) {
    const double r = relu1d_value(weights, data.x[k]) - data.y[k];
    m.loss += 0.5 * r * r;
  }
  for (const Kink& kink : relu1d_kinks(weights, view.low, view.high, view.merge())) {
    const double size = std::abs(kink.slope_change);
    m.kinks += size > kKink ? 1 : 0;
    m.kinks_large += size > kLargeKink ? 1 : 0;
    m.slope_change += size;
  }
  const Grid grid = view.grid();
  double last = relu1d_value(weights, grid.at(0));
  for (int64_t i = 1; i < grid.points; ++i) {
    const double f = relu1d_value(weights, grid.at(i));
    m.variation += std::abs(f - last);
    last = f;
  }
  double squares = 0;
  for (size_t j = 0; j < weights.w.size(); ++j) {
    const double w = weights.w[j], b = weights.b[j], a = weights.a[j];
    m.path_norm += std::abs(a * w);
    squares += w * w + b * b + a * a;
  }
  m.norm = std::sqrt(squares);
  return m;
}

}  // namespace basin
