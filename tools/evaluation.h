// Loss and accuracy of a network on a whole data set, forward only; on CUDA a graph a batch.
#pragma once

#include <memory>
#include <utility>

#include "engine/batch_replay.h"
#include "engine/data/loader.h"
#include "kernels/graph.h"
#include "models/model.h"
#include "tools/step_options.h"

namespace basin {

class Evaluation {
 public:
  // All outlive it; weights and running statistics (null: none) are read at each evaluation.
  Evaluation(const Stream& stream, const Model& model, const Arena& weights, Arena* buffers,
             const Dataset& data, const StepOptions& o);

  // Mean loss, and the share of labels that are met.
  std::pair<double, double> operator()();

 private:
  void enqueue(BatchReplay& replay, int64_t n);

  Stream stream_;
  const Arena& weights_;
  int64_t size_, batch_;
  Loader loader_;
  std::unique_ptr<BatchReplay> whole_, rest_;  // whole batches, and one smaller one
  Buffer images_, labels_, rows_;              // rows_: a StepResult for each batch
  Graph graph_;                                // of a whole batch, on CUDA
};

}  // namespace basin
