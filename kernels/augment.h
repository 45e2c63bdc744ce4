// From stored images to a training batch: gather, zero-pad and random crop, horizontal flip,
// scale to [0, 1], in one pass.
#pragma once

#include "kernels/stream.h"

namespace basin {

struct AugmentShape {
  int64_t h, w, c;
  int64_t padding;  // 0: no crop
  bool flip;
};

// out[b] = image indices[b] of `images`, cropped and flipped by Philox(seed, Augment, epoch, b0 + b)
// where b0 = first: the position in the epoch, so the result does not depend on the batching.
//   images: [*, h, w, c] bytes; indices: [batch]; out: [batch, h, w, c] = byte / 255.
template <class T>
void augment(const Stream& stream, const AugmentShape& shape, const uint8_t* images,
             const int64_t* indices, int64_t batch, uint64_t seed, uint32_t epoch, int64_t first,
             T* out);

}  // namespace basin
