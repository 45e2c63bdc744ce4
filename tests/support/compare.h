// Inputs with fixed seeds, and comparison with float64 by a tolerance that is computed: the type's
// eps times a growth factor. Written so that NaN fails.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "kernels/bfloat16.h"

namespace basin::test {

// n standard normal values times `scale`, rounded to T, so that float and float64 see one input.
template <class T>
std::vector<T> random_values(int64_t n, uint64_t seed, double scale = 1.0) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<size_t>(n));
  for (T& v : values) v = static_cast<T>(scale * normal(engine));
  return values;
}

template <class T>
constexpr double eps_of() {
  return std::numeric_limits<T>::epsilon();
}

// The tolerance of a value that was computed up to `tolerance` in Wide<T> and rounded to T.
template <class T>
double stored(double expected, double tolerance) {
  if constexpr (std::is_same_v<T, Wide<T>>) return tolerance;
  return tolerance + eps_of<T>() / 2 * (std::abs(expected) + tolerance);
}

// |found - expected| <= tolerance; equal infinities agree, NaN agrees with nothing.
inline bool within(double found, double expected, double tolerance) {
  return found == expected || std::abs(found - expected) <= tolerance;
}

// Every found[i] within growth * eps * max(|expected[i]|, magnitude) of expected[i], eps being that
// of the arithmetic; a bfloat16 is off by one rounding more. `magnitude`
// is the size of the terms that make up a result, where they may cancel.
template <class T>
testing::AssertionResult all_close(std::span<const T> found, const std::vector<double>& expected,
                                   double growth, double magnitude = 0.0) {
  if (found.size() != expected.size()) {
    return testing::AssertionFailure()
           << "found " << found.size() << " elements, expected " << expected.size();
  }
  size_t wrong = 0, worst = 0;
  double worst_ratio = -1;
  for (size_t i = 0; i < found.size(); ++i) {
    const double computed = growth * eps_of<Wide<T>>() * std::max(std::abs(expected[i]), magnitude);
    const double tolerance = stored<T>(expected[i], computed);
    if (within(found[i], expected[i], tolerance)) continue;
    ++wrong;
    const double ratio = std::abs(found[i] - expected[i]) / tolerance;
    if (worst_ratio < 0 || !(ratio <= worst_ratio)) {
      worst = i;
      worst_ratio = ratio;
    }
  }
  if (wrong == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << wrong << " of " << found.size() << " elements differ; worst at " << worst << ": found "
         << testing::PrintToString(static_cast<double>(found[worst])) << ", expected "
         << testing::PrintToString(expected[worst]) << " (" << worst_ratio << " x the tolerance)";
}
template <class T>
testing::AssertionResult all_close(const std::vector<T>& found, const std::vector<double>& expected,
                                   double growth, double magnitude = 0.0) {
  return all_close(std::span<const T>(found), expected, growth, magnitude);
}

// Equal bytes: the same sign of zero and the same NaN too.
template <class T>
bool same_bytes(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}
template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return same_bytes(std::span<const T>(a), std::span<const T>(b));
}

// Lengths around the vector widths, the unroll and the blocks of a reduction.
inline const std::vector<int64_t> kOddSizes = {
    1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 1000, 4095, 4096, 4097, 12289};

}  // namespace basin::test
