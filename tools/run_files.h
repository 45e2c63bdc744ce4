// The files of a training run, each replaced whole: a run that is killed leaves the last good ones.
#pragma once

#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "tools/train_state.h"
#include "tools/trainer.h"

namespace basin {

// Where a run is. A checkpoint holds it beside the arenas.
struct RunProgress {
  int epoch = 1;  // the one under way
  int64_t step_in_epoch = 0;
  double loss_sum = 0, correct_sum = 0;  // over the steps of this epoch
  std::vector<EpochMetrics> epochs;      // those that are done
  struct Window {
    int64_t step;
    double loss, accuracy;
  };
  static constexpr int64_t kWindow = 20;  // steps to a row of progress.jsonl
  std::vector<Window> windows;
  double window_loss = 0, window_accuracy = 0;

  void note_step(int64_t step, double loss, double accuracy);
  // The first epoch whose validation accuracy none exceeds; null where none was measured.
  const EpochMetrics* best() const;
  // On how many steps the optimiser left w.
  int64_t sam_steps(const TrainOptions& options) const;
};

class RunFiles {
 public:
  RunFiles(const TrainOptions& options, const Stream& stream);

  // config.toml; without --resume, an earlier run's files of the same names are removed first.
  // `execution`: how m-SAM's groups are replayed and why, or "".
  void start(const Model& model, int64_t plan_bytes, const std::string& execution);
  void save(const RunProgress& progress, TrainState& state);
  void save_best(const TrainState& state);  // best.safetensors: no more than the network
  // Throws Error(Usage) where the checkpoint is missing, damaged or of another run.
  void load(RunProgress& progress, TrainState& state);
  void finish(const RunProgress& progress);  // summary.json

 private:
  std::string path(const std::string& name) const { return options_.out + "/" + name; }
  void write_rows(const RunProgress& progress) const;
  TensorFile network_file(const TrainState& state) const;

  const TrainOptions& options_;
  const Stream& stream_;
  int64_t plan_bytes_ = 0;
  std::string execution_;
  int64_t parameters_ = 0;
};

}  // namespace basin
