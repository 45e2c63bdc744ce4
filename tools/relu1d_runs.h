// The networks that `basin relu1d` trains, one a seed, side by side.
#pragma once

#include <functional>

#include "models/relu1d_function.h"
#include "tools/relu1d_options.h"

namespace basin {

// What was logged behind a step; behind one that diverged, no kinks and NaN.
struct Relu1dRow {
  int64_t step;
  double loss_perturbed;  // found by the step; without SAM the loss before it
  Relu1dMeasures measures;
};

class Relu1dRuns {
 public:
  // Reads the data and makes the first weights. Error(Usage) for what is wrong with either.
  Relu1dRuns(const Stream& stream, Relu1dOptions options);

  // Trains to the end, and calls progress(steps done) now and then.
  void run(const std::function<void(int64_t)>& progress);

  const Relu1dOptions& options() const { return o_; }
  const Regression& data() const { return data_; }
  const Relu1dView& view() const { return view_; }
  double seconds() const { return seconds_; }
  int64_t steps_done() const;  // of all runs

  // Of run i, that of the i-th seed.
  Relu1dWeights weights(size_t i) const;
  const Relu1dProgress& progress(size_t i) const { return progress_[i]; }
  const std::vector<Relu1dRow>& rows(size_t i) const { return rows_[i]; }  // the last: its end

 private:
  void log();

  Stream stream_;
  Relu1dOptions o_;
  Regression data_;
  Relu1dView view_{};
  std::vector<float> all_;  // [seeds, 3, units]
  std::vector<Relu1dProgress> progress_;
  std::vector<std::vector<Relu1dRow>> rows_;
  double seconds_ = 0;
};

}  // namespace basin
