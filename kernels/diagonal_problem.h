// A diagonal network's problem as a CPU reads it, and what is measured of a trajectory on it.
#pragma once

#include "kernels/diagonal_lanes.h"
#include "kernels/diagonal_rules.h"

namespace basin::cpu {

// Elements of T in a cache line: what every array is padded to, with zeros.
template <class T>
inline constexpr int64_t kLineValues = 64 / sizeof(T);

template <class T>
int64_t padded(int64_t count) {
  return round_up<int64_t>(count, kLineValues<T>);
}

// Hands out a scratch buffer piece by piece.
template <class T>
class Pieces {
 public:
  explicit Pieces(T* next) : next_(next) {}
  T* take(int64_t count) {
    T* piece = next_;
    next_ += padded<T>(count);
    return piece;
  }

 private:
  T* next_;
};

// X both ways round with its powers, so that every product reads rows. In 1-SAM's five products
// everything is in the first-level cache at n = 20, d = 30 (25 KB in float64).
template <class T>
struct PreparedProblem {
  int64_t n, d, tests;
  T *by_example, *squares_by_example;          // x, x o x: [n, padded d]
  T *by_coordinate, *squares, *cubes;          // their transposes, and of x o x o x: [d, padded n]
  T *y, *test_by_coordinate, *y_test, *theta;  // [n], [d, padded tests], [tests], [d]
  bool knows_theta;

  static int64_t size(int64_t n, int64_t d, int64_t tests) {
    return 2 * n * padded<T>(d) + 3 * d * padded<T>(n) + padded<T>(n) + d * padded<T>(tests) +
           padded<T>(tests) + padded<T>(d);
  }
  int64_t example_stride() const { return padded<T>(n); }
  int64_t coordinate_stride() const { return padded<T>(d); }

  PreparedProblem(const DiagonalProblems<T>& p, T* scratch)
      : n(p.n), d(p.d), tests(p.tests), knows_theta(p.theta != nullptr) {
    std::fill(scratch, scratch + size(n, d, tests), T(0));
    Pieces<T> pieces(scratch);
    by_example = pieces.take(n * padded<T>(d)), squares_by_example = pieces.take(n * padded<T>(d));
    by_coordinate = pieces.take(d * padded<T>(n));
    squares = pieces.take(d * padded<T>(n)), cubes = pieces.take(d * padded<T>(n));
    y = pieces.take(n), test_by_coordinate = pieces.take(d * padded<T>(tests));
    y_test = pieces.take(tests), theta = pieces.take(d);
  }

  void fill(const DiagonalProblems<T>& p, int64_t problem) {
    const int64_t nd = n * d;
    for (int64_t k = 0; k < n; ++k) {
      for (int64_t j = 0; j < d; ++j) {
        const T x = p.x[problem * nd + k * d + j];
        by_example[k * coordinate_stride() + j] = x;
        squares_by_example[k * coordinate_stride() + j] = x * x;
        by_coordinate[j * example_stride() + k] = x;
        squares[j * example_stride() + k] = x * x;
        cubes[j * example_stride() + k] = x * x * x;
      }
    }
    for (int64_t k = 0; k < tests; ++k) {
      for (int64_t j = 0; j < d; ++j) {
        test_by_coordinate[j * padded<T>(tests) + k] = p.x_test[(problem * tests + k) * d + j];
      }
    }
    std::copy_n(p.y + problem * n, n, y);
    if (tests > 0) std::copy_n(p.y_test + problem * tests, tests, y_test);
    if (knows_theta) std::copy_n(p.theta + problem * d, d, theta);
  }
};

// |matrix^T beta - y|^2 / (2 count); NaN where count is 0.  matrix: [d, padded count].
template <class T, int W>
T mean_loss(const T* matrix, const T* y, int64_t count, int64_t d, const T* beta) {
  using Lanes = Along<T, W>;
  using V = Vector<T, W>;
  V sum{};
  product<Lanes, T, W>(matrix, padded<T>(count), d, beta, count, [&](int64_t o, const V& found) {
    const V r = found - Lanes::shared(y, o);
    sum += r * r;
  });
  T all = 0;
  for (int l = 0; l < W; ++l) all += sum[l];
  return all / static_cast<T>(2 * count);
}

// A row of the log.  u, v, beta: [padded d], zeros behind d; beta is scratch.
template <class T, int W>
void measure(const PreparedProblem<T>& p, double alpha, const T* u, const T* v, T* beta, T integral,
             T* row) {
  CoordinateTerms sum{};
  double largest = 0;
  for (int64_t j = 0; j < padded<T>(p.d); ++j) beta[j] = u[j] * v[j];
  for (int64_t j = 0; j < p.d; ++j) {
    const double theta = static_cast<double>(p.theta[j]);
    const CoordinateTerms c = coordinate_terms(u[j], v[j], theta, alpha);
    sum.l1 += c.l1, sum.error += c.error, sum.scale += c.scale, sum.potential += c.potential;
    largest = JoinMax{}(largest, c.difference);
  }
  row[kTrainLoss] = mean_loss<T, W>(p.by_coordinate, p.y, p.n, p.d, beta);
  row[kTestLoss] = mean_loss<T, W>(p.test_by_coordinate, p.y_test, p.tests, p.d, beta);
  row[kL1] = static_cast<T>(sum.l1);
  row[kErrorSquared] = static_cast<T>(p.knows_theta ? sum.error : __builtin_nan(""));
  row[kScaleMean] = static_cast<T>(sum.scale / static_cast<double>(p.d));
  row[kDifferenceMax] = static_cast<T>(largest);
  row[kPotential] = static_cast<T>(sum.potential);
  row[kLossIntegral] = integral;
}

}  // namespace basin::cpu
