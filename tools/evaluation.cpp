#include "tools/evaluation.h"

#include <algorithm>
#include <vector>

namespace basin {

constexpr int64_t kBatch = 500;

Evaluation::Evaluation(const Stream& stream, const Model& model, const Arena& weights,
                       Arena* buffers, const Dataset& data, const StepOptions& o)
    : stream_(stream),
      weights_(weights),
      size_(data.n),
      batch_(std::min(kBatch, data.n)),
      loader_(stream, data, batch_, 0, Shuffle::No, {}, DropLast::No),
      images_(stream, batch_ * loader_.image_size() * int64_t{sizeof(float)}),
      labels_(stream, batch_ * int64_t{sizeof(int32_t)}),
      rows_(stream, loader_.batches() * int64_t{sizeof(StepResult)}) {
  const auto make = [&](int64_t batch) {
    auto replay = make_replay(stream, model.record, weights, buffers,
                              {.batch = batch,
                               .h = data.h,
                               .w = data.w,
                               .c = data.c,
                               .mode = Mode::Inference,
                               .differentiate = Differentiate::No,
                               .chunk = o.chunk,
                               .convolution = o.convolution,
                               .precision = o.precision});
    replay->bind(images_.data(), reinterpret_cast<const int32_t*>(labels_.data()));
    return replay;
  };
  whole_ = make(batch_);
  if (size_ % batch_ != 0) rest_ = make(size_ % batch_);
  if (!stream.is_cuda()) return;
  enqueue(*whole_, batch_);  // a library loads its kernels at their first launch
  stream.synchronize();
  graph_ = Graph::capture(stream, [this] { enqueue(*whole_, batch_); });
}

void Evaluation::enqueue(BatchReplay& replay, int64_t n) {
  loader_.fill(n, reinterpret_cast<float*>(images_.data()),
               reinterpret_cast<int32_t*>(labels_.data()));
  replay.evaluate(weights_);
  end_step(stream_, loader_.cursor(), replay.result(), replay.result(),
           reinterpret_cast<StepResult*>(rows_.data()));
}

std::pair<double, double> Evaluation::operator()() {
  loader_.start_epoch(0);
  for (int64_t b = 0; b < size_ / batch_; ++b) {
    if (graph_) {
      graph_.launch(stream_);
    } else {
      enqueue(*whole_, batch_);
    }
  }
  if (rest_) enqueue(*rest_, size_ % batch_);
  std::vector<StepResult> rows(loader_.batches());
  copy_to_host(stream_, rows.data(), rows_.data(), rows_.bytes());
  double loss = 0, correct = 0;
  for (int64_t b = 0; b < loader_.batches(); ++b) {
    loss += rows[b].first.loss * static_cast<double>(loader_.size(b));
    correct += rows[b].first.correct;
  }
  return {loss / static_cast<double>(size_), correct / static_cast<double>(size_)};
}

}  // namespace basin
