// From stored images to a training batch: gather, zero-pad and random crop, horizontal flip,
// scale to [0, 1], in one pass.
#pragma once

#include "kernels/cost.h"
#include "kernels/random.h"
#include "kernels/step.h"

namespace basin {

struct AugmentShape {
  int64_t h, w, c;
  int64_t padding;  // 0: no crop
  bool flip;
};

// What one image gets: output pixel (r, q) is its pixel (r + dy, q + dx), with q counted from the
// right where flipped, and black outside.
struct Crop {
  int64_t dy, dx;
  bool flipped;
};

// Drawn by Philox(seed, Augment, epoch, position): dy and dx uniform in [-padding, padding], a flip
// with probability 1/2.
BASIN_HD Crop crop_of(const AugmentShape& shape, uint64_t seed, uint32_t epoch, int64_t position) {
  const Philox4 bits = philox_at(seed, Purpose::Augment, epoch, static_cast<uint64_t>(position));
  const auto offsets = static_cast<uint32_t>(2 * shape.padding + 1);
  const int64_t dy = bounded({{bits.value[0], 0, 0, 0}}, offsets) - shape.padding;
  const int64_t dx = bounded({{bits.value[1], 0, 0, 0}}, offsets) - shape.padding;
  return {dy, dx, shape.flip && (bits.value[2] & 1u) != 0};
}

// One byte to [0, 1]: a true division, as in PyTorch's ToTensor.
template <class T>
struct ByteToUnit {
  static constexpr int flops = 1;
  BASIN_HD static T of(uint8_t byte) { return static_cast<T>(byte) / T(255); }
};

template <class T>
constexpr Cost augment_cost(const AugmentShape& shape, int64_t batch) {
  const int64_t n = batch * shape.h * shape.w * shape.c;
  return {n + batch * int64_t{sizeof(int64_t)}, n * int64_t{sizeof(T)}, n * ByteToUnit<T>::flops};
}

// Where images come from, and in which order: all in the stream's memory.
struct ImageSource {
  const uint8_t* images;  // [*, h, w, c]
  const int32_t* labels;  // [*]
  const int64_t* order;   // the images of the epoch
};

// The n images of batch cursor->step, of `batch` images each (n is smaller in a last one only), and
// their labels:  out[b] = image order[p] under crop_of(seed, cursor->epoch, p), byte / 255, with
// p = cursor->step * batch + b the position in the epoch: it does not depend on the batching.
//   out: [n, h, w, c]; labels: [n].
template <class T>
void augment(const Stream& stream, const AugmentShape& shape, const ImageSource& source,
             int64_t batch, int64_t n, uint64_t seed, const StepCursor* cursor, T* out,
             int32_t* labels);

namespace cuda {
template <class T>
void augment(const Stream& stream, const AugmentShape& shape, const ImageSource& source,
             int64_t batch, int64_t n, uint64_t seed, const StepCursor* cursor, T* out,
             int32_t* labels);
}

}  // namespace basin
