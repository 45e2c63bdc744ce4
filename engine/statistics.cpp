#include "engine/statistics.h"

#include <algorithm>

namespace basin {

namespace {

constexpr int64_t kBatch = 128;

int64_t batch_of(const StatisticsOptions& options, const Dataset& data) {
  BASIN_CHECK(options.images >= 1 && options.images <= data.n, "--reestimate",
              "found {}, expected 1 to the {} training images", options.images, data.n);
  return std::min(kBatch, options.images);
}

}  // namespace

StatisticsEstimate::StatisticsEstimate(const Stream& stream, const RecordNetwork& network,
                                       const Arena& parameters, Arena& buffers, const Dataset& data,
                                       const StatisticsOptions& options)
    : stream_(stream),
      buffers_(buffers),
      batch_(batch_of(options, data)),
      batches_(options.images / batch_),
      loader_(stream, data, batch_, options.seed, Shuffle::Yes, options.augmentation,
              DropLast::Yes) {
  dispatch(parameters.dtype(), [&]<class T>(T) {
    images_ = Buffer(stream, batch_ * loader_.image_size() * int64_t{sizeof(T)});
  });
  labels_ = Buffer(stream, batch_ * int64_t{sizeof(int32_t)});
  tape_ = record_batch(stream, network, parameters, &buffers,
                       {.batch = batch_,
                        .h = data.h,
                        .w = data.w,
                        .c = data.c,
                        .mode = Mode::Training,
                        .differentiate = Differentiate::No},
                       batch_);
  point_.emplace(*tape_, stream);
  work_.emplace(*tape_, stream);
  work_->bind("images", images_.data());
  work_->bind("labels", labels_.data());
}

void StatisticsEstimate::operator()(const Arena& at) {
  // A momentum of 1 forgets what was there, but for what is not finite.
  zero(stream_, buffers_.data(), buffers_.size() * dtype_size(buffers_.dtype()));
  point_->move_to(at, &buffers_, *work_);
  for (int64_t b = 0; b < batches_; ++b) {
    const StepCursor cursor{b, 0};
    copy_to_device(stream_, loader_.cursor(), &cursor, sizeof(cursor));
    dispatch(at.dtype(), [&]<class T>(T) {
      loader_.fill(batch_, reinterpret_cast<T*>(images_.data()),
                   reinterpret_cast<int32_t*>(labels_.data()));
    });
    work_->forward(*point_);
    work_->track(buffers_, 1.0 / static_cast<double>(b + 1));
  }
}

}  // namespace basin
