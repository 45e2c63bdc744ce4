// The data of the diagonal network's experiments: noise-free sparse regression, y = X theta.
#pragma once

#include <optional>
#include <vector>

#include "engine/data/numpy_random.h"
#include "engine/data/regression.h"

namespace basin {

// Philox is Basin's own (kernels/random.h); Numpy draws what numpy.random.seed(seed) gives the
// notebook of Andriushchenko & Flammarion 2022, so that seed 0 is the paper's very problem.
enum class DataRng { Philox, Numpy };

struct SparseRegressionOptions {
  int64_t n = 20, d = 30, sparsity = 3, tests = 1000;
  DataRng rng = DataRng::Philox;
  uint64_t seed = 0;
};

struct SparseRegression {
  Regression train, test;     // test.n may be 0
  std::vector<double> theta;  // [d]; empty where it is not known
  // Behind the data: what draws SGD's examples. Of DataRng::Numpy only.
  std::optional<NumpyRandom> draws;
};

// X, X_test and theta ~ N(0, 1), drawn in this order; all but the first `sparsity` of theta are
// then 0, and it is |theta| / |theta|_2. Throws Error(Usage) where the sparsity is above d, or the
// seed is none of NumPy's (below 2^32).
SparseRegression make_sparse_regression(const SparseRegressionOptions& options);

}  // namespace basin
