// What a training step is asked to do: the same options for every command that takes one.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/tape.h"
#include "optim/optimizer.h"
#include "tools/cli.h"

namespace basin {

inline constexpr int64_t kMeasuredChunk = -1;

struct StepOptions {
  OptimizerOptions optimizer;
  double l2 = 0;  // adds l2 / 2 |w|^2 to the loss of every pass
  int64_t batch = 128;
  int threads = 1;
  // The most examples that a thread replays at once; 0: what suits the network; kMeasuredChunk: see
  // chunk_choice.h.
  int64_t chunk = 0;
  ConvAlgorithm convolution = ConvAlgorithm::Auto;
  Precision precision = Precision::Full;  // of the activations
};

// --model and --width.
void add_network_options(CLI::App& command, std::string& model, int64_t& width);
void add_batch_option(CLI::App& command, StepOptions& options);
// All but batch and threads.
void add_step_options(CLI::App& command, StepOptions& options);
// "float32", "bf16"
const std::string& precision_name(Precision precision);
// The options by their names on the command line.
nlohmann::ordered_json configuration(const StepOptions& options);

}  // namespace basin
