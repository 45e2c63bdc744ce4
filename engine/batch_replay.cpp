#include "engine/batch_replay.h"

#include "engine/chunked_replay.h"
#include "engine/device_replay.h"
#include "engine/group_replay.h"

namespace basin {

std::unique_ptr<BatchReplay> make_replay(const Stream& stream, const RecordNetwork& network,
                                         const Arena& parameters, Arena* buffers,
                                         const ReplayOptions& options) {
  BASIN_CHECK(options.batch >= 1, "batch", "found {}, expected at least 1", options.batch);
  BASIN_CHECK(options.microbatch >= 0 && options.microbatch <= options.batch, "--microbatch",
              "found {}, expected 1 to the batch of {} examples", options.microbatch,
              options.batch);
  if (options.microbatch > 0 && options.microbatch < options.batch) {
    return std::make_unique<GroupReplay>(GroupPlan(stream, network, parameters, buffers, options),
                                         parameters, buffers);
  }
  if (stream.is_cuda()) {
    return std::make_unique<DeviceReplay>(stream, network, parameters, buffers, options);
  }
  return std::make_unique<ChunkedReplay>(stream, network, parameters, buffers, options);
}

std::unique_ptr<Tape> record_batch(const Stream& stream, const RecordNetwork& network,
                                   const Arena& parameters, const Arena* buffers,
                                   const ReplayOptions& options, int64_t size, int64_t groups) {
  auto tape =
      std::make_unique<Tape>(stream, parameters, buffers,
                             TapeOptions{.mode = options.mode,
                                         .convolution = options.convolution,
                                         .precision = options.precision,
                                         .eager = Eager::No,
                                         .groups = groups,
                                         .ghosts = options.execution == GroupExecution::Ghost});
  const Shape shape{size, options.h, options.w, options.c};
  const Variable images = tape->input("images", shape, parameters.dtype(), nullptr);
  const Variable labels = tape->input("labels", Shape{size}, DType::Int32, nullptr);
  const Variable logits = network(*tape, images);
  const CrossEntropyResult result = cross_entropy(logits, labels);
  tape->freeze({result.loss, result.correct, logits}, options.differentiate);
  return tape;
}

}  // namespace basin
