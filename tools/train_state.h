// A network and all that a training step of it works on.
#pragma once

#include <memory>
#include <optional>

#include "engine/batch_replay.h"
#include "models/model.h"
#include "tools/step_options.h"

namespace basin {

// What a replay of `network` for a step is asked to do; its execution is chosen already.
ReplayOptions replay_options(const ModelOptions& network, const Model& model,
                             const Optimizer& optimizer, const StepOptions& options);

struct TrainState {
  // Weights and running statistics are the initial ones of `seed`. Throws Error(Usage) for a
  // network that does not exist, an optimiser that does not, or a precision that the device lacks.
  TrainState(const Stream& stream, const ModelOptions& network, DType dtype,
             const StepOptions& options, uint64_t seed);
  TrainState(const TrainState&) = delete;  // the replay holds on to the arenas
  TrainState& operator=(const TrainState&) = delete;

  Arena* buffers() { return running ? &*running : nullptr; }

  Model model;
  Arena weights;
  std::optional<Arena> running;  // statistics of batch norm, where there is any
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<BatchReplay> replay;
};

}  // namespace basin
