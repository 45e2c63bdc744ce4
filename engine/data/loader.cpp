#include "engine/data/loader.h"

#include <algorithm>
#include <numeric>

#include "kernels/error.h"
#include "kernels/random.h"

namespace basin {
namespace {

template <class T>
int64_t bytes_of(const std::vector<T>& values) {
  return static_cast<int64_t>(values.size() * sizeof(T));
}

// `values`, where the stream's kernels read them: on CUDA a copy, which `memory` holds.
template <class T>
const T* placed(const Stream& stream, const std::vector<T>& values, Buffer& memory) {
  if (!stream.is_cuda()) return values.data();
  if (memory.bytes() == 0) memory = Buffer(stream, bytes_of(values));
  copy_to_device(stream, memory.data(), values.data(), memory.bytes());
  return reinterpret_cast<const T*>(memory.data());
}

}  // namespace

Loader::Loader(const Stream& stream, const Dataset& data, int64_t batch, uint64_t seed,
               Shuffle shuffle, Augmentation augmentation, DropLast drop_last)
    : stream_(stream),
      data_(data),
      batch_(batch),
      seed_(seed),
      shuffle_(shuffle),
      shape_{data.h, data.w, data.c, augmentation.padding, augmentation.flip},
      drop_last_(drop_last),
      order_(data.n),
      cursor_(stream, sizeof(StepCursor)) {
  BASIN_CHECK(batch >= 1 && batch <= data.n, "--batch", "found {}, expected 1 to the {} examples",
              batch, data.n);
  source_.images = placed(stream, data.images, device_images_);
  source_.labels = placed(stream, data.labels, device_labels_);
  start_epoch(0);
}

int64_t Loader::batches() const {
  return drop_last_ == DropLast::Yes ? data_.n / batch_ : ceil_div(data_.n, batch_);
}

int64_t Loader::size(int64_t index) const {
  BASIN_CHECK(index >= 0 && index < batches(), "[loader] index", "found {}, expected 0 to {}",
              index, batches() - 1);
  return std::min(batch_, data_.n - index * batch_);
}

void Loader::start_epoch(int epoch, int64_t first) {
  const StepCursor cursor{first, static_cast<uint32_t>(epoch)};
  copy_to_device(stream_, cursor_.data(), &cursor, sizeof(cursor));
  std::iota(order_.begin(), order_.end(), int64_t{0});
  for (int64_t i = data_.n - 1; i > 0 && shuffle_ == Shuffle::Yes; --i) {
    const Philox4 bits = philox_at(seed_, Purpose::Shuffle, cursor.epoch, static_cast<uint64_t>(i));
    std::swap(order_[i], order_[bounded(bits, static_cast<uint32_t>(i + 1))]);
  }
  source_.order = placed(stream_, order_, device_order_);
}

template <class T>
void Loader::fill(int64_t n, T* images, int32_t* labels) const {
  augment(stream_, shape_, source_, batch_, n, seed_, cursor(), images, labels);
}

template void Loader::fill(int64_t, float*, int32_t*) const;
template void Loader::fill(int64_t, double*, int32_t*) const;

}  // namespace basin
