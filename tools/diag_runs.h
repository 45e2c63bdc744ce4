// The trajectories that `basin diag` runs: every combination of its lists, stage by stage.
#pragma once

#include <functional>
#include <memory>

#include "tools/diag_options.h"

namespace basin {

// How a trajectory begins; rho is 0 where its algorithm has none.
struct DiagSetting {
  DiagonalAlgorithm algorithm;
  uint64_t seed;
  double alpha, gamma, rho;
};

// The data, a problem a seed. Error(Usage) for what is wrong with it.
std::vector<SparseRegression> diag_problems(const DiagOptions& options);

class DiagRuns {
 public:
  // Reads or makes the data. Error(Usage) for what is wrong with it.
  DiagRuns(const Stream& stream, DiagOptions options);

  bool single() const { return settings_.size() == 1; }
  const std::vector<DiagSetting>& settings() const { return settings_; }
  const DiagOptions& options() const { return o_; }
  int64_t n() const { return n_; }
  int64_t d() const { return d_; }
  int64_t steps() const;  // of a trajectory, all stages together
  const DiagonalSweep& sweep() const { return *sweep_; }

  // Runs all stages, and calls progress(iterations done) now and then. A single trajectory has rows
  // for --log, several have one at their end.
  void run(const std::function<void(int64_t)>& progress);
  double seconds() const { return seconds_; }

  // Of trajectory m: its rows until it diverged, if it did.
  std::vector<DiagonalRow> rows(int64_t m) const;

 private:
  std::vector<DiagonalTrajectory> rules(const DiagStage& stage);

  Stream stream_;
  DiagOptions o_;
  std::vector<DiagSetting> settings_;
  std::vector<double> rhos_;  // of each, now; what --then keeps
  int64_t n_ = 0, d_ = 0;
  std::unique_ptr<DiagonalSweep> sweep_;
  double seconds_ = 0;
};

}  // namespace basin
