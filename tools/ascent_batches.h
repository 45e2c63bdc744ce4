// The batches of which SAM's ascent takes its gradient, where they are not the descent's: n-SAM in
// its stochastic form (Andriushchenko and Flammarion 2022, appendix D; paper's code:
// --sam_use_prev_batch).
#pragma once

#include "engine/data/loader.h"
#include "tools/train_options.h"
#include "tools/train_state.h"

namespace basin {

class AscentBatches {
 public:
  // Throws Error(Usage) where the options of the run do not go together. Data set and state outlive
  // it.
  AscentBatches(const Stream& stream, const Dataset& data, TrainState& state,
                const TrainOptions& options, const Augmentation& augmentation);

  // Makes ready for step k of the run, from 0: before its work is put on the stream.
  void place(int64_t k);
  // Loads the batch and moves on to the next one: launches only.
  void fill();
  BatchReplay& replay() { return *replay_; }

 private:
  Stream stream_;
  AscentBatch which_;
  Loader loader_;
  std::unique_ptr<BatchReplay> replay_;
  Buffer images_, labels_;
  int64_t placed_ = -1;  // the batch, counted over epochs, that fill() loaded last
};

}  // namespace basin
