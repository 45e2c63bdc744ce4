// The training run behind `basin train`: epochs, metrics, checkpoints, resumption.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/train_options.h"

namespace basin {

struct EpochMetrics {
  int epoch = 0;
  int64_t step = 0;
  double train_loss = 0, train_accuracy = 0, test_loss = 0, test_accuracy = 0;
  double learning_rate = 0, images_per_second = 0, seconds = 0;
  std::optional<double> validation_loss = {}, validation_accuracy = {};
  // With label noise, of training examples as they are (not augmented): those with right labels,
  // and those with wrong ones, by the wrong ones.
  std::optional<double> clean_accuracy = {}, noisy_accuracy = {};
};

// What a display is told; the run itself prints nothing.
struct TrainObserver {
  virtual ~TrainObserver() = default;
  virtual void started(const std::string& description) = 0;
  virtual void warned(const std::string& what) = 0;
  virtual void step_done(int epoch, int64_t step_in_epoch, int64_t steps_in_epoch, double loss,
                         double accuracy, double learning_rate, double images_per_second) = 0;
  virtual void epoch_done(const EpochMetrics& metrics) = 0;
};

struct TrainResult {
  std::vector<EpochMetrics> epochs;
  int signal = 0;  // the signal that ended the run early, after a checkpoint was written
};

// Writes metrics.jsonl, progress.jsonl, config.toml, checkpoint.safetensors, summary.json, and with
// a validation set best.safetensors, to options.out. Throws Error(Usage) before anything is written
// where the options cannot be met, Error(Run) where the loss is not finite any more; the last
// checkpoint then stands.
TrainResult run_training(const TrainOptions& options, TrainObserver& observer);

}  // namespace basin
