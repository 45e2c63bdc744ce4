// From stored images to a training batch: gather, zero-pad and random crop, horizontal flip,
// scale to [0, 1], in one pass.
#pragma once

#include "kernels/cost.h"
#include "kernels/random.h"
#include "kernels/stream.h"

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

// out[b] = image indices[b] of `images`, under crop_of(seed, epoch, first + b), scaled: `first` is
// the batch's position in the epoch, so that the result does not depend on the batching.
//   images: [*, h, w, c] bytes; indices: [batch]; out: [batch, h, w, c] = byte / 255.
template <class T>
void augment(const Stream& stream, const AugmentShape& shape, const uint8_t* images,
             const int64_t* indices, int64_t batch, uint64_t seed, uint32_t epoch, int64_t first,
             T* out);

namespace cuda {
template <class T>
void augment(const Stream& stream, const AugmentShape& shape, const uint8_t* images,
             const int64_t* indices, int64_t batch, uint64_t seed, uint32_t epoch, int64_t first,
             T* out);
}

}  // namespace basin
