// The m-sharpness of a network on a set of examples: of each batch of m, and their mean.
#pragma once

#include <functional>
#include <vector>

#include "engine/data/loader.h"
#include "models/model.h"
#include "optim/sharpness.h"

namespace basin {

// Means over the batches, each weighted by its size (a smaller last one counts less; else all
// count the same), of what the worst point of each one's ball has.
struct SharpnessRow {
  int64_t m;
  double rho, loss_increase, error_increase, gradient_norm;
};

class SharpnessMeasure {
 public:
  // All outlive it; `buffers` (null: none) are batch norm's statistics, which stay as they are.
  SharpnessMeasure(const Stream& stream, const Model& model, const Arena& weights, Arena* buffers,
                   const Dataset& examples, const AscentOptions& options);
  ~SharpnessMeasure();

  // Consecutive batches of m examples from here on. On a CPU each thread takes batches of its own,
  // which it replays at points of its own, where there are as many batches as threads: the results
  // are then the same for any number of threads. Otherwise all threads work on one after another.
  void cut(int64_t m);
  int64_t batches() const { return batches_; }
  // At one radius; `done` is told after each batch, by one thread at a time.
  SharpnessRow operator()(double rho, const std::function<void()>& done);

 private:
  struct Worker;
  void measure(Worker& worker, int64_t batch, double rho);

  Stream stream_;
  const Model& model_;
  const Arena& weights_;
  Arena* buffers_;
  const Dataset& examples_;
  AscentOptions options_;
  Buffer images_, labels_;
  int64_t m_ = 0, batches_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<AscentResult> results_;  // by batch
};

}  // namespace basin
