// What a network of one hidden ReLU layer and one input computes: a piecewise linear function, its
// kinks, and the numbers that tell how rich it is.
#pragma once

#include "models/relu1d.h"

namespace basin {

double relu1d_value(const Relu1dWeights& weights, double x);

// Units of which each bends f within `merge` of the one before.
struct Kink {
  double x;             // the mean of its units' places, weighted by |a_j w_j|
  double slope_change;  // the sum of their a_j |w_j|
  int64_t units;
};
// Of the places -b_j / w_j inside (low, high), rising.
std::vector<Kink> relu1d_kinks(const Relu1dWeights& weights, double low, double high, double merge);

// Where f is drawn and measured: first, first + step, ...
struct Grid {
  double first, step;
  int64_t points;
  double at(int64_t i) const { return first + step * static_cast<double>(i); }
};

// What of a function is counted, by the data's x. In the paper's problem `step` is 0.01: the grid
// goes 5 steps beyond the data, and kinks less than 2 steps apart are one.
struct Relu1dView {
  double low, high, step;
  Grid grid() const;
  double merge() const { return 2 * step; }
};
// step: 0.01, or for other data than the paper's the 275th part of its width, as there; 0.01 again
// where it has none.
Relu1dView relu1d_view(const Regression& data);

inline constexpr double kKink = 0.5, kLargeKink = 2;  // |slope change| above it

struct Relu1dMeasures {
  double loss = 0;                     // 1/2 sum_k (f(x_k) - y_k)^2, in float64
  int64_t kinks = 0, kinks_large = 0;  // above kKink, above kLargeKink
  double slope_change = 0;             // the sum of |slope_change| of all kinks
  double variation = 0;                // sum |f(grid_i) - f(grid_{i-1})|
  double path_norm = 0;                // sum_j |a_j w_j|
  double norm = 0;                     // |(w, b, a)|_2
};
Relu1dMeasures measure(const Relu1dWeights& weights, const Regression& data,
                       const Relu1dView& view);

}  // namespace basin
