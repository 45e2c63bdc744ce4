// Trajectories of diagonal linear networks on sparse regression: their memory on a device, moved on
// by kernels/diagonal.h.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "engine/buffer.h"
#include "kernels/diagonal.h"
#include "models/sparse_regression.h"

namespace basin {

// What was logged behind an iteration.
struct DiagonalRow {
  int64_t iteration;
  std::array<double, kDiagonalColumns> values;
};

class DiagonalSweep {
 public:
  // The problems are of one size. Each trajectory starts at u = alpha, v = 0.
  DiagonalSweep(const Stream& stream, std::vector<SparseRegression> problems,
                std::vector<DiagonalTrajectory> each);

  // The trajectories' rules from the next iteration on; they keep their problems.
  void set_rules(std::vector<DiagonalTrajectory> each);
  const std::vector<DiagonalTrajectory>& each() const { return each_; }
  const SparseRegression& problem(int64_t m) const { return problems_[each_[m].problem]; }

  // The next `steps` iterations of all trajectories. logged, halvings: iterations, rising; those
  // that are not among these do not count (but that gamma stays halved).
  void run(int64_t steps, std::span<const int64_t> logged, std::span<const int64_t> halvings = {});
  int64_t done() const { return done_; }  // iterations

  // Of trajectory m, so far. Rows stand in the order of their iterations.
  const std::vector<DiagonalRow>& rows(int64_t m) const { return rows_[m]; }
  std::vector<double> u(int64_t m) const { return part(u_, m); }
  std::vector<double> v(int64_t m) const { return part(v_, m); }
  std::vector<double> exponent(int64_t m) const { return part(exponent_, m); }  // DiagonalState
  int64_t diverged(int64_t m) const;                                            // DiagonalState

 private:
  std::vector<double> part(const Buffer& buffer, int64_t m) const;
  Buffer draws(int64_t steps);

  Stream stream_;
  std::vector<SparseRegression> problems_;
  std::vector<DiagonalTrajectory> each_;
  int64_t n_, d_, tests_, done_ = 0;
  Buffer x_, y_, x_test_, y_test_, theta_, trajectories_;
  Buffer u_, v_, exponent_, integral_, diverged_, scratch_;
  std::vector<std::vector<DiagonalRow>> rows_;
};

}  // namespace basin
