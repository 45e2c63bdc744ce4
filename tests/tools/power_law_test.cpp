// The fit against exact laws, values computed elsewhere (normal equations in 40 decimal digits),
// and the statistics of noise.
#include "tools/power_law.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/error.h"
#include "kernels/random.h"

namespace basin::test {
namespace {

using Values = std::vector<double>;

TEST(PowerLaw, AnExactLawIsFound) {
  for (const double exponent : {-1.0, 0.0, 0.5, 1.0, 2.75}) {
    const Values x{0.5, 3, 16, 1e4};
    Values y;
    for (const double v : x) y.push_back(0.7 * std::pow(v, exponent));
    const PowerLaw law = fit_power_law(x, y);
    EXPECT_NEAR(law.exponent, exponent, 1e-14);
    EXPECT_NEAR(law.coefficient, 0.7, 1e-14);
    ASSERT_TRUE(law.standard_error.has_value());
    EXPECT_NEAR(*law.standard_error, 0, 1e-14);
    EXPECT_NEAR(law.r_squared, 1, 1e-14);
    EXPECT_NEAR(law.at(7), 0.7 * std::pow(7, exponent), 1e-12);
  }
}

TEST(PowerLaw, ValuesComputedElsewhere) {
  const PowerLaw up =
      fit_power_law(Values{16, 32, 64, 128, 256}, Values{11.3, 20.9, 43.2, 80.1, 171.5});
  EXPECT_NEAR(up.coefficient, 0.7274555612435711, 1e-13);
  EXPECT_NEAR(up.exponent, 0.9785927097617801, 1e-13);
  EXPECT_NEAR(up.standard_error.value(), 0.01991092124251624, 1e-13);
  EXPECT_NEAR(up.r_squared, 0.9987596022227178, 1e-13);
  const PowerLaw down = fit_power_law(Values{3, 7, 20}, Values{9.5, 4.25, 1.5});
  EXPECT_NEAR(down.coefficient, 27.893080345952285, 1e-12);
  EXPECT_NEAR(down.exponent, -0.9737105994461351, 1e-13);
  EXPECT_NEAR(down.standard_error.value(), 0.012136990474914585, 1e-13);
  EXPECT_NEAR(down.r_squared, 0.9998446559023676, 1e-13);
}

TEST(PowerLaw, TwoPointsLeaveNoError) {
  const PowerLaw law = fit_power_law(Values{1, 2}, Values{165, 88});
  EXPECT_NEAR(law.exponent, std::log2(88.0 / 165.0), 1e-14);
  EXPECT_NEAR(law.coefficient, 165, 1e-11);
  EXPECT_FALSE(law.standard_error.has_value());
  EXPECT_NEAR(law.r_squared, 1, 1e-14);
}

TEST(PowerLaw, AConstantIsTheExponentZero) {
  const PowerLaw law = fit_power_law(Values{1, 3, 10}, Values{0.1, 0.1, 0.1});
  EXPECT_EQ(law.exponent, 0);
  EXPECT_EQ(law.standard_error.value(), 0);
  EXPECT_EQ(law.r_squared, 1);
  EXPECT_NEAR(law.coefficient, 0.1, 1e-15);
}

// With log-normal noise of deviation s, the exponents of many fits scatter by s / sqrt(Sxx) about
// the true one, and the mean of their squared standard errors is that variance.
TEST(PowerLaw, TheStandardErrorIsTheScatterUnderNoise) {
  const Values x{4, 8, 16, 32, 64};
  const double s = 0.05, exponent = 1.3, sxx = 10 * std::pow(std::log(2), 2);
  const int trials = 4000;
  double sum = 0, squares = 0, claimed = 0;
  for (int trial = 0; trial < trials; ++trial) {
    Values y;
    for (size_t i = 0; i < x.size(); ++i) {
      const double noise = normal(philox_at(7, Purpose::Data, trial, i));
      y.push_back(2 * std::pow(x[i], exponent) * std::exp(s * noise));
    }
    const PowerLaw law = fit_power_law(x, y);
    sum += law.exponent - exponent;
    squares += std::pow(law.exponent - exponent, 2);
    claimed += std::pow(law.standard_error.value(), 2);
    EXPECT_GT(law.r_squared, 0.9);
    EXPECT_LE(law.r_squared, 1);
  }
  const double variance = s * s / sxx;
  // A mean of n squares of normal numbers is off by sqrt(2 / n); five of those. With three degrees
  // of freedom a squared standard error has a variance of 2 / 3.
  EXPECT_NEAR(sum / trials, 0, 5 * std::sqrt(variance / trials));
  EXPECT_NEAR(squares / trials / variance, 1, 5 * std::sqrt(2.0 / trials));
  EXPECT_NEAR(claimed / trials / variance, 1, 5 * std::sqrt(2.0 / 3 / trials));
}

void expect_refused(const Values& x, const Values& y, const std::string& message) {
  try {
    fit_power_law(x, y);
    FAIL() << "expected: " << message;
  } catch (const Error& e) {
    EXPECT_EQ(e.what(), message);
    EXPECT_EQ(e.kind(), ErrorKind::Usage);
  }
}

TEST(PowerLaw, WhatHasNoFit) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  expect_refused({}, {}, "[power law] x: found 0 values, expected at least 2");
  expect_refused({1}, {1}, "[power law] x: found 1 values, expected at least 2");
  expect_refused({1, 2}, {1}, "[power law] y: found 1 values, expected 2, as x has");
  expect_refused({3, 3}, {1, 2},
                 "[power law] x: found 3 throughout, expected two different values");
  expect_refused({0, 1}, {1, 2}, "[power law] x: found 0, expected a finite number above 0");
  expect_refused({1, 2}, {1, -2}, "[power law] y: found -2, expected a finite number above 0");
  expect_refused({1, inf}, {1, 2}, "[power law] x: found inf, expected a finite number above 0");
  expect_refused({1, 2}, {1, nan}, "[power law] y: found nan, expected a finite number above 0");
}

}  // namespace
}  // namespace basin::test
