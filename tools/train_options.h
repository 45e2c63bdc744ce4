// What a training run is asked to do, and its one list of options by name.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tools/step_options.h"

namespace basin {

// Of which batch SAM's ascent takes its gradient: of the descent's, of the step's before, or of one
// that has nothing to do with it (n-SAM in its stochastic form).
enum class AscentBatch { Same, Previous, Independent };
inline const Choices<AscentBatch> kAscentBatches{{"same", AscentBatch::Same},
                                                 {"previous", AscentBatch::Previous},
                                                 {"independent", AscentBatch::Independent}};

struct TrainOptions {
  std::string model = "resnet_tiny_gn";
  int64_t width = 16;
  std::string dataset = "shapes", data_dir;
  int64_t train_size = 0, test_size = 0;  // 0: all
  bool augment = false;
  double label_noise = 0;
  double validation = 0;  // the share of the training set that is held out
  std::string init;       // a checkpoint whose weights and running statistics it begins with
  StepOptions step;
  AscentBatch ascent_batch = AscentBatch::Same;
  int64_t ascent_size = 0;  // examples of an independent one; 0: as many as the batch
  // SAM ascends in the epochs e with sam_from <= e / epochs <= sam_until; elsewhere it is SGD.
  double sam_from = 0, sam_until = 1;
  int epochs = 1;
  double lr = 0.1;
  std::string schedule = "piecewise";
  std::string device = "cpu";
  uint64_t seed = 0;
  std::string out = "out/train";
  bool resume = false;
};

// Does the optimiser leave w for its last gradient in this epoch, from 1?
bool ascends_in(const TrainOptions& options, int epoch);

// Every option of `basin train` that shapes the run, by its name on the command line; those that
// were not given and have no default are left out. config.toml and summary.json hold it.
nlohmann::ordered_json configuration(const TrainOptions& options);
// `configuration` without what may differ where a run is resumed, such as the place of the data.
nlohmann::ordered_json identity(const TrainOptions& options);
// `configuration` as a file that `basin train --config` reads back.
std::string config_text(const TrainOptions& options);

}  // namespace basin
