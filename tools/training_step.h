// One step of a run, again and again: the next batch is loaded, the optimiser steps, and what the
// step was like is noted. On CUDA the step is captured once and launched as one graph, on which
// nothing waits; all that changes from step to step lies in device memory.
#pragma once

#include <span>
#include <vector>

#include "engine/data/loader.h"
#include "kernels/event.h"
#include "kernels/graph.h"
#include "kernels/pinned.h"
#include "tools/ascent_batches.h"

namespace basin {

class TrainingStep {
 public:
  // All outlive it. `ascent`: null where SAM's ascent takes the descent's batch.
  TrainingStep(const Stream& stream, TrainState& state, Loader& loader,
               AscentBatches* ascent = nullptr);

  // The epoch's learning rates, by step; the next step is `first`. Whether its steps ascend.
  void start_epoch(int epoch, int64_t first, const std::vector<double>& rates, bool ascends = true);
  void run();

  // Asks what the steps were like that have been put on the stream since the last time; at most
  // kAsked questions are open. answer() waits until those of the oldest one have run: meanwhile, on
  // CUDA, the device goes on with later steps.
  void ask();
  std::span<const StepResult> answer();
  int asked() const { return asked_; }
  static constexpr int kAsked = 2;

 private:
  void enqueue();
  void capture();

  Stream stream_;
  TrainState& state_;
  Loader& loader_;
  AscentBatches* ascent_;
  int epoch_ = 1;
  Buffer images_, labels_;
  Buffer rates_, rate_;  // [batches], [1]: float64
  Buffer first_, rows_;  // a PassResult; a StepResult for each step of an epoch
  PinnedBuffer host_rows_;
  struct Question {
    Event copied;
    int64_t begin = 0, end = 0;
  };
  std::vector<Question> questions_;  // kAsked, in turns
  int asked_ = 0;
  int64_t next_question_ = 0, run_ = 0, asked_to_ = 0;  // the last two: steps of the epoch
  bool ascends_ = true;
  Graph graph_;  // on CUDA
};

}  // namespace basin
