#include "tools/train_state.h"

#include "models/init.h"

namespace basin {
namespace {

const Stream& supported(const Stream& stream) {
  BASIN_CHECK(stream.kind() == DeviceKind::Cpu, "--device",
              "found cuda, but training on CUDA is not part of this version: use cpu");
  return stream;
}

}  // namespace

TrainState::TrainState(const Stream& stream, const ModelOptions& network, DType dtype,
                       const StepOptions& o, uint64_t seed)
    : model(make_model(network)),
      weights(supported(stream), model.parameters, dtype),
      optimizer(make_optimizer(stream, model.parameters, dtype, o.optimizer)) {
  initialise(stream, weights, seed);
  if (model.buffers) {
    running.emplace(stream, model.buffers, dtype);
    initialise_buffers(stream, *running);
  }
  const Mode mode =
      o.optimizer.statistics == StatisticsFrom::Frozen ? Mode::Frozen : Mode::Training;
  replay = std::make_unique<ChunkedReplay>(
      model.record, weights, buffers(),
      ReplayOptions{.batch = o.batch,
                    .h = network.h,
                    .w = network.w,
                    .c = network.c,
                    .threads = o.threads,
                    .mode = mode,
                    .whole_batch = model.batch_norm == HasBatchNorm::Yes && mode == Mode::Training,
                    .chunk = o.chunk,
                    .convolution = o.convolution,
                    .l2 = o.l2});
}

}  // namespace basin
