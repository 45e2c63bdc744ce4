#include "tools/evaluation.h"

#include <algorithm>

namespace basin {

constexpr int64_t kBatch = 500;

Evaluation::Evaluation(TrainState& state, const Dataset& data, const StepOptions& o)
    : loader_(data, std::min(kBatch, data.n), 0, Shuffle::No, {}, DropLast::No),
      size_(data.n),
      batch_(std::min(kBatch, data.n)),
      images_(batch_ * data.h * data.w * data.c),
      labels_(batch_) {
  const auto make = [&](int64_t batch) {
    return std::make_unique<ChunkedReplay>(state.model.record, state.weights, state.buffers(),
                                           ReplayOptions{.batch = batch,
                                                         .h = data.h,
                                                         .w = data.w,
                                                         .c = data.c,
                                                         .threads = o.threads,
                                                         .mode = Mode::Inference,
                                                         .differentiate = Differentiate::No,
                                                         .chunk = o.chunk,
                                                         .convolution = o.convolution,
                                                         .precision = o.precision});
  };
  whole_ = make(batch_);
  if (size_ % batch_ != 0) rest_ = make(size_ % batch_);
}

std::pair<double, double> Evaluation::operator()(const Stream& stream, const Arena& weights) {
  double loss = 0, correct = 0;
  loader_.start_epoch(0);
  for (int64_t b = 0; b < loader_.batches(); ++b) {
    const int64_t n = loader_.fill(stream, b, images_.data(), labels_.data());
    ChunkedReplay& replay = n == batch_ ? *whole_ : *rest_;
    replay.bind(images_.data(), labels_.data());
    replay.evaluate(weights);
    loss += replay.loss() * static_cast<double>(n);
    correct += replay.correct();
  }
  return {loss / static_cast<double>(size_), correct / static_cast<double>(size_)};
}

}  // namespace basin
