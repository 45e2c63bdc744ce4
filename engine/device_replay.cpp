#include "engine/device_replay.h"

#include "kernels/reduce.h"

namespace basin {
namespace {

double mebibytes(int64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

}  // namespace

DeviceReplay::DeviceReplay(const Stream& stream, const RecordNetwork& network,
                           const Arena& parameters, Arena* buffers, const ReplayOptions& options)
    : stream_(stream),
      options_(options),
      buffers_(buffers),
      tape_(record_batch(stream, network, parameters, buffers, options, options.batch)),
      squared_norm_(stream, (reduce_partials(parameters.size()) + 1) * int64_t{sizeof(double)}),
      result_(stream, sizeof(PassResult)) {
  if (const DeviceMemory memory = device_memory(stream); memory.free < bytes()) {
    fail_run("memory",
             "the plan of {} examples needs {:.1f} MiB, but of the device's {:.1f} MiB {:.1f} are "
             "free: use a smaller --batch or --width",
             options.batch, mebibytes(bytes()), mebibytes(memory.total), mebibytes(memory.free));
  }
  point_.emplace(*tape_, stream);
  work_.emplace(*tape_, stream);
}

void DeviceReplay::bind(const void* images, const int32_t* labels) {
  work_->bind(0, images);
  work_->bind(1, labels);
}

void DeviceReplay::forward(const Arena& at) {
  point_->move_to(at, buffers_, *work_);
  work_->forward(*point_);
  dispatch(at.dtype(), [&]<class T>(T) {
    auto* norm = reinterpret_cast<double*>(squared_norm_.data());
    if (options_.l2 > 0) squared_norm(stream_, at.size(), at.as<T>(), norm + 1, norm);
    const PassParts<T> whole{.loss = work_->output(0).as<T>(),
                             .correct = work_->output(1).as<T>(),
                             .l2 = options_.l2,
                             .squared_norms = norm};
    pass_result(stream_, whole, reinterpret_cast<PassResult*>(result_.data()));
  });
}

void DeviceReplay::differentiate(const Arena& at, Arena& gradient, Track track) {
  forward(at);
  if (track == Track::Yes && buffers_ != nullptr && options_.mode == Mode::Training) {
    work_->track(*buffers_);
  }
  work_->backward(*point_, gradient);
  if (options_.l2 == 0) return;
  dispatch(at.dtype(), [&]<class T>(T) {
    const T* part = gradient.as<T>();
    sum_parts(stream_, gradient.size(), &part, 1, options_.l2, at.as<T>(), gradient.as<T>());
  });
}

void DeviceReplay::evaluate(const Arena& at) {
  forward(at);
}

const PassResult* DeviceReplay::result() const {
  return reinterpret_cast<const PassResult*>(result_.data());
}

PassResult DeviceReplay::finished() const {
  PassResult result{};
  copy_to_host(stream_, &result, result_.data(), sizeof(result));
  return result;
}

std::vector<double> DeviceReplay::logits() const {
  const Tensor logits = work_->output(2);
  return dispatch(logits.dtype, [&]<class T>(T) {
    std::vector<T> host(static_cast<size_t>(logits.shape.size()));
    copy_to_host(stream_, host.data(), logits.data, logits.bytes());
    return std::vector<double>(host.begin(), host.end());
  });
}

int64_t DeviceReplay::bytes() const {
  return tape_->workspace_bytes() + tape_->program().packed_bytes;
}

void DeviceReplay::observe(const std::function<ReplayObserver*(int thread)>& observer_of) {
  work_->observe(observer_of(0));
}

}  // namespace basin
