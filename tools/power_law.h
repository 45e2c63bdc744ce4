// A power law y = a x^b through measurements.
#pragma once

#include <optional>
#include <span>

namespace basin {

// The least squares line of ln y on ln x.
struct PowerLaw {
  double coefficient = 0, exponent = 0;  // a, in y's unit at x = 1, and b
  // Of the exponent: sqrt(RSS / (n - 2) / Sxx). None of two points, which leave no residual.
  std::optional<double> standard_error;
  double r_squared = 0;  // of ln y; 1 where y is constant, and the line with it

  double at(double x) const;
};

// Throws Error(Usage) where x and y have not the same length, have fewer than two points, one that
// is no finite number above 0, or the same x throughout.
PowerLaw fit_power_law(std::span<const double> x, std::span<const double> y);

}  // namespace basin
