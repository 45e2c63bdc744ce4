// Batches of a data set: shuffled, augmented and scaled, all by Philox, so that batch i of epoch e
// is the same whatever was loaded before it, and on either device. Which batch is next stands in
// the stream's memory, where a captured step can move it on; on CUDA the whole data set lies there
// too (Fashion-MNIST's 61 MB, CIFAR's 184), so that a step copies nothing from the host.
#pragma once

#include "engine/buffer.h"
#include "engine/data/dataset.h"
#include "kernels/augment.h"

namespace basin {

enum class Shuffle { No, Yes };
enum class DropLast { No, Yes };

struct Augmentation {
  int64_t padding = 0;  // zero-padding for a random crop; 0: none
  bool flip = false;    // horizontally, with probability 1/2
};

class Loader {
 public:
  // `data` must outlive the loader.
  Loader(const Stream& stream, const Dataset& data, int64_t batch, uint64_t seed, Shuffle shuffle,
         Augmentation augmentation, DropLast drop_last);

  int64_t batch() const { return batch_; }
  int64_t batches() const;
  int64_t image_size() const { return shape_.h * shape_.w * shape_.c; }
  // Examples of a batch, fewer in a last one only. A batch that is not there is an Error(Usage).
  int64_t size(int64_t index) const;
  // The order of the epoch's examples (Fisher and Yates); the next batch is `first`.
  void start_epoch(int epoch, int64_t first = 0);
  // Which batch fill() loads: in the stream's memory, and moved on there.
  StepCursor* cursor() const { return reinterpret_cast<StepCursor*>(cursor_.data()); }
  // images: [n, h, w, c] in [0, 1]; labels: [n]; n = size() of the batch at the cursor. Allocates
  // nothing, and on CUDA does not wait.
  template <class T>
  void fill(int64_t n, T* images, int32_t* labels) const;

 private:
  Stream stream_;
  const Dataset& data_;
  int64_t batch_;
  uint64_t seed_;
  Shuffle shuffle_;
  AugmentShape shape_;
  DropLast drop_last_;
  std::vector<int64_t> order_;
  Buffer cursor_;
  Buffer device_images_, device_labels_, device_order_;  // on CUDA
  ImageSource source_;
};

}  // namespace basin
