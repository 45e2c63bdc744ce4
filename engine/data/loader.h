// Batches of a data set: shuffled, augmented and scaled, all by Philox, so that batch i of epoch e
// is the same whatever was loaded before it.
#pragma once

#include "engine/data/dataset.h"
#include "kernels/stream.h"

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
  Loader(const Dataset& data, int64_t batch, uint64_t seed, Shuffle shuffle,
         Augmentation augmentation, DropLast drop_last);

  int64_t batches() const;
  // The order of the epoch's examples (Fisher and Yates).
  void start_epoch(int epoch);
  // images: [batch, h, w, c] in [0, 1]; labels: [batch]. Returns the examples of this batch, fewer
  // than `batch` in a last one only. Allocates nothing.
  template <class T>
  int64_t fill(const Stream& stream, int64_t index, T* images, int32_t* labels) const;

 private:
  const Dataset& data_;
  int64_t batch_;
  uint64_t seed_;
  Shuffle shuffle_;
  Augmentation augmentation_;
  DropLast drop_last_;
  uint32_t epoch_ = 0;
  std::vector<int64_t> order_;
};

}  // namespace basin
