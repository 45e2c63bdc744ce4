#include "engine/data/loader.h"

#include <algorithm>
#include <numeric>

#include "kernels/augment.h"
#include "kernels/error.h"
#include "kernels/random.h"

namespace basin {

Loader::Loader(const Dataset& data, int64_t batch, uint64_t seed, Shuffle shuffle,
               Augmentation augmentation, DropLast drop_last)
    : data_(data),
      batch_(batch),
      seed_(seed),
      shuffle_(shuffle),
      augmentation_(augmentation),
      drop_last_(drop_last),
      order_(data.n) {
  BASIN_CHECK(batch >= 1 && batch <= data.n, "--batch", "found {}, expected 1 to the {} examples",
              batch, data.n);
  std::iota(order_.begin(), order_.end(), int64_t{0});
}

int64_t Loader::batches() const {
  return drop_last_ == DropLast::Yes ? data_.n / batch_ : (data_.n + batch_ - 1) / batch_;
}

void Loader::start_epoch(int epoch) {
  epoch_ = static_cast<uint32_t>(epoch);
  if (shuffle_ == Shuffle::No) return;
  std::iota(order_.begin(), order_.end(), int64_t{0});
  for (int64_t i = data_.n - 1; i > 0; --i) {
    const Philox4 bits = philox_at(seed_, Purpose::Shuffle, epoch_, static_cast<uint64_t>(i));
    std::swap(order_[i], order_[bounded(bits, static_cast<uint32_t>(i + 1))]);
  }
}

template <class T>
int64_t Loader::fill(const Stream& stream, int64_t index, T* images, int32_t* labels) const {
  BASIN_CHECK(index >= 0 && index < batches(), "[loader] index", "found {}, expected 0 to {}",
              index, batches() - 1);
  const int64_t first = index * batch_, n = std::min(batch_, data_.n - first);
  augment(stream, {data_.h, data_.w, data_.c, augmentation_.padding, augmentation_.flip},
          data_.images.data(), order_.data() + first, n, seed_, epoch_, first, images);
  for (int64_t i = 0; i < n; ++i) labels[i] = data_.labels[order_[first + i]];
  return n;
}

template int64_t Loader::fill(const Stream&, int64_t, float*, int32_t*) const;
template int64_t Loader::fill(const Stream&, int64_t, double*, int32_t*) const;

}  // namespace basin
