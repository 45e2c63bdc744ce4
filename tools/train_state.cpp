#include "tools/train_state.h"

#include <algorithm>

#include "kernels/simd.h"
#include "models/init.h"

namespace basin {
namespace {

// bfloat16 is for float32 weights, on a device that multiplies it.
void check_precision(const Stream& stream, const StepOptions& o, DType dtype) {
  if (o.precision == Precision::Full) return;
  BASIN_CHECK(dtype == DType::Float32, "--precision",
              "found bf16 with {} weights, expected float32", dtype_name(dtype));
  BASIN_CHECK(stream.is_cuda() || cpu::has_bfloat16(), "--precision",
              "found bf16 on a processor with {}, expected AVX-512 with avx512_bf16 (or AMX): it "
              "would be emulated here",
              cpu::instruction_set());
  BASIN_CHECK(o.tf32 == Tf32::No, "--tf32", "found it with bf16, expected one or the other");
}

// A network that never casts its images would run in float32 under the other name.
void check_casts(const BatchReplay& replay, const std::string& model) {
  const std::vector<Node>& nodes = replay.program().nodes;
  BASIN_CHECK(std::any_of(nodes.begin(), nodes.end(),
                          [](const Node& node) { return node.op->name() == "cast"; }),
              "--precision", "found bf16 for {}, expected a network of convolutions", model);
}

GroupExecution execution_of(ExecutionChoice choice) {
  if (choice == ExecutionChoice::Grouped) return GroupExecution::Grouped;
  return choice == ExecutionChoice::Ghost ? GroupExecution::Ghost : GroupExecution::Loop;
}

}  // namespace

ReplayOptions replay_options(const ModelOptions& network, const Model& model,
                             const Optimizer& optimizer, const StepOptions& o) {
  const Mode mode =
      o.optimizer.statistics == StatisticsFrom::Frozen ? Mode::Frozen : Mode::Training;
  return {.batch = o.batch,
          .microbatch = o.microbatch,
          .execution = execution_of(o.execution),
          .epsilon = optimizer.keeps_epsilon(),
          .h = network.h,
          .w = network.w,
          .c = network.c,
          .mode = mode,
          .whole_batch = model.batch_norm == HasBatchNorm::Yes && mode == Mode::Training,
          .chunk = o.chunk,
          .convolution = o.convolution,
          .precision = o.precision,
          .l2 = o.l2};
}

namespace {

OptimizerOptions seeded(OptimizerOptions options, uint64_t seed) {
  options.seed = seed;
  return options;
}

}  // namespace

TrainState::TrainState(const Stream& stream, const ModelOptions& network, DType dtype,
                       const StepOptions& o, uint64_t seed)
    : model(make_model(network)),
      weights(stream, model.parameters, dtype),
      optimizer(make_optimizer(stream, model.parameters, dtype, seeded(o.optimizer, seed))) {
  check_precision(stream, o, dtype);
  initialise(stream, weights, seed);
  if (model.buffers) {
    running.emplace(stream, model.buffers, dtype);
    initialise_buffers(stream, *running);
  }
  replay = make_replay(stream, model.record, weights, buffers(),
                       replay_options(network, model, *optimizer, o));
  if (o.precision != Precision::Full) check_casts(*replay, network.name);
}

}  // namespace basin
