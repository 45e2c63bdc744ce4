#include "tools/ascent_batches.h"

#include <algorithm>

namespace basin {
namespace {

constexpr uint64_t kOtherOrder = 0x9e3779b97f4a7c15;  // of the independent batches' seed

int64_t size_of(const TrainOptions& o) {
  BASIN_CHECK(o.step.optimizer.name == "sam", "--ascent-batch",
              "found another than same with --optimizer {}, expected sam", o.step.optimizer.name);
  BASIN_CHECK(o.step.microbatch == 0, "--ascent-batch",
              "found another than same with --microbatch {}, whose groups ascend by themselves",
              o.step.microbatch);
  BASIN_CHECK(o.ascent_size == 0 || o.ascent_batch == AscentBatch::Independent, "--ascent-size",
              "found {} for the previous batch, which has the size of any", o.ascent_size);
  return o.ascent_size == 0 ? o.step.batch : o.ascent_size;
}

}  // namespace

AscentBatches::AscentBatches(const Stream& stream, const Dataset& data, TrainState& state,
                             const TrainOptions& o, const Augmentation& augmentation)
    : stream_(stream),
      which_(o.ascent_batch),
      loader_(stream, data, size_of(o),
              which_ == AscentBatch::Previous ? o.seed : o.seed ^ kOtherOrder, Shuffle::Yes,
              augmentation, DropLast::Yes),
      images_(stream, loader_.batch() * loader_.image_size() * int64_t{sizeof(float)}),
      labels_(stream, loader_.batch() * int64_t{sizeof(int32_t)}) {
  StepOptions step = o.step;
  step.batch = loader_.batch();
  replay_ = make_replay(stream, state.model.record, state.weights, state.buffers(),
                        replay_options(state.model.options, state.model, *state.optimizer, step));
  replay_->bind(images_.data(), reinterpret_cast<const int32_t*>(labels_.data()));
}

void AscentBatches::place(int64_t k) {
  // Nothing is before the first step: its ascent is the descent's own batch.
  const int64_t batch = which_ == AscentBatch::Previous ? std::max<int64_t>(k - 1, 0) : k;
  const int64_t each = loader_.batches();
  if (batch != placed_ + 1 || batch % each == 0) {
    loader_.start_epoch(static_cast<int>(1 + batch / each), batch % each);
  }
  placed_ = batch;
}

void AscentBatches::fill() {
  loader_.fill(loader_.batch(), reinterpret_cast<float*>(images_.data()),
               reinterpret_cast<int32_t*>(labels_.data()));
  next_batch(stream_, loader_.cursor());
}

}  // namespace basin
