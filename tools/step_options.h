// What a training step is asked to do: the same options for every command that takes one.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/tape.h"
#include "optim/optimizer.h"
#include "tools/choices.h"

namespace basin {

class CommandLine;

inline constexpr int64_t kMeasuredChunk = -1;

// How m-SAM's groups are replayed, or how that is found out (execution_choice.h).
enum class ExecutionChoice { Auto, Measure, Loop, Grouped, Ghost };

struct StepOptions {
  OptimizerOptions optimizer;
  double l2 = 0;  // adds l2 / 2 |w|^2 to the loss of every pass
  int64_t batch = 128;
  int64_t microbatch = 0;  // m-SAM's group of examples; 0: the batch
  ExecutionChoice execution = ExecutionChoice::Auto;
  double memory_limit = 0;  // MiB that replays may take; 0: what there is
  int threads = 1;
  // The most examples that a thread replays at once; 0: what suits the network; kMeasuredChunk: see
  // chunk_choice.h.
  int64_t chunk = 0;
  ConvAlgorithm convolution = ConvAlgorithm::Auto;
  Precision precision = Precision::Full;  // of the activations
  Tf32 tf32 = Tf32::No;                   // whether float32 is multiplied so on CUDA
};

// --model and --width.
void add_network_options(CommandLine command, std::string& model, int64_t& width);
void add_batch_option(CommandLine command, StepOptions& options);
// All but batch and threads.
void add_step_options(CommandLine command, StepOptions& options);
// By its word on the command line. Error(Usage) for one that is not there.
ExecutionChoice execution_named(const std::string& word);
std::string execution_name(ExecutionChoice execution);
// "float32", "tf32", "bf16"
std::string precision_name(const StepOptions& options);
// As the command line has it: "--tf32", "--precision bf16 --convolution measured".
std::string arithmetic_options(const StepOptions& options);
// The options by their names on the command line.
nlohmann::ordered_json configuration(const StepOptions& options);

}  // namespace basin
