// Augmentation on a CPU, a row at a time: where a row comes from is decided once.
#include "kernels/augment.h"

#include <algorithm>

#include "kernels/has_cuda.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {
namespace {

// One image.  x: [h, w, c] bytes; y: [h, w, c].
template <class T>
void augment_image(const AugmentShape& s, const Crop& crop, const uint8_t* x, T* y) {
  const int64_t c = s.c, line = s.w * c;
  // The columns [begin, end) of the output that have a pixel.
  const int64_t shift = crop.flipped ? -crop.dx : crop.dx;
  const int64_t begin = std::clamp<int64_t>(-shift, 0, s.w);
  const int64_t end = std::clamp<int64_t>(s.w - shift, begin, s.w);
  for (int64_t r = 0; r < s.h; ++r, y += line) {
    const int64_t row = r + crop.dy;
    if (row < 0 || row >= s.h) {
      std::fill(y, y + line, T(0));
      continue;
    }
    std::fill(y, y + begin * c, T(0));
    std::fill(y + end * c, y + line, T(0));
    const uint8_t* from = x + row * line;
    if (!crop.flipped) {
      from += (begin + crop.dx) * c;
      T* to = y + begin * c;
#pragma omp simd
      for (int64_t i = 0; i < (end - begin) * c; ++i) to[i] = ByteToUnit<T>::of(from[i]);
    } else if (c == 1) {
      from += s.w - 1 + crop.dx;
#pragma omp simd
      for (int64_t q = begin; q < end; ++q) y[q] = ByteToUnit<T>::of(from[-q]);
    } else {
      for (int64_t q = begin; q < end; ++q) {
        const uint8_t* pixel = from + (s.w - 1 - q + crop.dx) * c;
        for (int64_t k = 0; k < c; ++k) y[q * c + k] = ByteToUnit<T>::of(pixel[k]);
      }
    }
  }
}

template <class T>
void augment(const Stream& stream, const AugmentShape& s, const ImageSource& source, int64_t batch,
             int64_t n, uint64_t seed, const StepCursor* cursor, T* out, int32_t* labels) {
  const int64_t size = s.h * s.w * s.c, first = cursor->step * batch;
  parallel_ranges(stream, n, 1, augment_cost<T>(s, n).bytes(), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t image = source.order[first + b];
      const Crop crop = crop_of(s, seed, cursor->epoch, first + b);
      vectorised([&s, &crop](const uint8_t* x, T* y) { augment_image(s, crop, x, y); },
                 source.images + image * size, out + b * size);
      labels[b] = source.labels[image];
    }
  });
}

}  // namespace
}  // namespace cpu

template <class T>
void augment(const Stream& stream, const AugmentShape& shape, const ImageSource& source,
             int64_t batch, int64_t n, uint64_t seed, const StepCursor* cursor, T* out,
             int32_t* labels) {
  if (n == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::augment(stream, shape, source, batch, n, seed, cursor, out, labels);
    }
  }
  cpu::augment(stream, shape, source, batch, n, seed, cursor, out, labels);
}

template void augment(const Stream&, const AugmentShape&, const ImageSource&, int64_t, int64_t,
                      uint64_t, const StepCursor*, float*, int32_t*);
template void augment(const Stream&, const AugmentShape&, const ImageSource&, int64_t, int64_t,
                      uint64_t, const StepCursor*, double*, int32_t*);

}  // namespace basin
