// The data of the diagonal network's experiments: the paper's problem for NumPy's seed 0, and one
// of any size and seed by Philox.
#include "models/sparse_regression.h"

#include <cmath>
#include <numeric>

#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;

TEST(SparseRegression, SeedZeroOfNumpyIsThePapersProblem) {
  SparseRegression p = make_sparse_regression({.rng = DataRng::Numpy});
  EXPECT_EQ(p.train.x[0], 1.764052345967664);
  EXPECT_EQ(p.train.x[4], 1.8675579901499675);
  EXPECT_NEAR(p.train.x[599], -0.178589092, 1e-9);
  EXPECT_NEAR(p.test.x[0], -1.55042935, 1e-8);
  EXPECT_NEAR(p.test.x[29999], -1.55450334, 1e-8);
  EXPECT_NEAR(std::accumulate(p.test.x.begin(), p.test.x.end(), 0.0), -112.16358966, 1e-8);
  EXPECT_DOUBLE_EQ(p.theta[0], 0.8657337076726267);
  EXPECT_DOUBLE_EQ(p.theta[1], 0.15799741107523294);
  EXPECT_DOUBLE_EQ(p.theta[2], 0.47491258721256374);
  for (int j = 3; j < 30; ++j) EXPECT_EQ(p.theta[j], 0);
  EXPECT_NEAR(p.train.y[0], 2.0552383691831606, 1e-15);
  EXPECT_NEAR(p.train.y[19], 0.12133453, 1e-8);
  double loss = 0;
  for (const double y : p.test.y) loss += y * y / 2000;
  EXPECT_NEAR(loss, 0.4937044048119901, 1e-15);
  EXPECT_TRUE(p.draws.has_value());
}

TEST(SparseRegression, PhiloxDrawsByTheSeed) {
  const SparseRegressionOptions options{.n = 200, .d = 50, .sparsity = 4, .tests = 7, .seed = 5};
  const SparseRegression p = make_sparse_regression(options),
                         again = make_sparse_regression(options);
  EXPECT_EQ(p.train.x, again.train.x);
  EXPECT_EQ(p.theta, again.theta);
  EXPECT_FALSE(p.draws.has_value());
  SparseRegressionOptions other = options;
  other.seed = 6;
  EXPECT_NE(make_sparse_regression(other).train.x, p.train.x);
  double mean = 0, square = 0, norm = 0;
  for (const double x : p.train.x) mean += x / 1e4, square += x * x / 1e4;
  EXPECT_NEAR(mean, 0, 0.05);
  EXPECT_NEAR(square, 1, 0.06);
  for (int j = 0; j < 50; ++j) {
    norm += p.theta[j] * p.theta[j];
    EXPECT_EQ(p.theta[j] > 0, j < 4);
  }
  EXPECT_NEAR(norm, 1, 1e-14);
  EXPECT_EQ(p.test.n, 7);
  EXPECT_EQ(p.test.y.size(), 7U);
}

TEST(SparseRegression, WrongSizesAndSeeds) {
  EXPECT_THAT(usage_error([] { make_sparse_regression({.d = 2, .sparsity = 3}); }),
              HasSubstr("--sparsity: found 3, expected 1 to the 2 of --d"));
  EXPECT_THAT(usage_error([] {
                make_sparse_regression({.rng = DataRng::Numpy, .seed = uint64_t{1} << 32});
              }),
              HasSubstr("--seed: found 4294967296"));
}

}  // namespace
}  // namespace basin::test
