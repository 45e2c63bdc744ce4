// Augmentation as a body: a block takes an image at a time, neighbours write neighbours.
#pragma once

#include "kernels/augment.h"
#include "kernels/block.h"

namespace basin {

// out: [batch, h, w, c].
// Narrow accesses: crop and flip give each element of an image a place of its own to read from.
template <class T>
struct AugmentBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, const AugmentShape& s,
                               const ImageSource& source, int64_t batch, int64_t n, uint64_t seed,
                               const StepCursor* cursor, T* out, int32_t* labels) const {
    const int64_t size = s.h * s.w * s.c, first = cursor->step * batch;
    for (int64_t b = block.block_rank(); b < n; b += block.num_blocks()) {
      const int64_t index = source.order[first + b];
      const uint8_t* image = source.images + index * size;
      const Crop crop = crop_of(s, seed, cursor->epoch, first + b);
      if (block.thread_rank() == 0) labels[b] = source.labels[index];
      for (int64_t i = block.thread_rank(); i < size; i += block.num_threads()) {
        const int64_t k = i % s.c, q = i / s.c % s.w;
        const int64_t row = i / s.c / s.w + crop.dy;
        const int64_t column = (crop.flipped ? s.w - 1 - q : q) + crop.dx;
        const bool inside = row >= 0 && row < s.h && column >= 0 && column < s.w;
        out[b * size + i] =
            inside ? ByteToUnit<T>::of(image[(row * s.w + column) * s.c + k]) : T(0);
      }
    }
  }
};

}  // namespace basin
