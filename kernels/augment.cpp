#include "kernels/augment.h"

#include "kernels/parallel.h"
#include "kernels/random.h"

namespace basin {

template <class T>
void augment(const Stream& stream, const AugmentShape& s, const uint8_t* images,
             const int64_t* indices, int64_t batch, uint64_t seed, uint32_t epoch, int64_t first,
             T* out) {
  const int64_t size = s.h * s.w * s.c;
  cpu::parallel_ranges(
      stream, batch, 1, batch * size * int64_t{sizeof(T)}, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) {
          const uint8_t* image = images + indices[b] * size;
          const Philox4 bits =
              philox_at(seed, Purpose::Augment, epoch, static_cast<uint64_t>(first + b));
          const auto offsets = static_cast<uint32_t>(2 * s.padding + 1);
          const int64_t dy = bounded({{bits.value[0], 0, 0, 0}}, offsets) - s.padding;
          const int64_t dx = bounded({{bits.value[1], 0, 0, 0}}, offsets) - s.padding;
          const bool flipped = s.flip && (bits.value[2] & 1u) != 0;
          T* y = out + b * size;
          for (int64_t r = 0; r < s.h; ++r) {
            for (int64_t q = 0; q < s.w; ++q, y += s.c) {
              const int64_t row = r + dy, column = (flipped ? s.w - 1 - q : q) + dx;
              const bool inside = row >= 0 && row < s.h && column >= 0 && column < s.w;
              const uint8_t* pixel = image + (row * s.w + column) * s.c;
              for (int64_t k = 0; k < s.c; ++k) y[k] = inside ? pixel[k] / T(255) : T(0);
            }
          }
        }
      });
}

template void augment(const Stream&, const AugmentShape&, const uint8_t*, const int64_t*, int64_t,
                      uint64_t, uint32_t, int64_t, float*);
template void augment(const Stream&, const AugmentShape&, const uint8_t*, const int64_t*, int64_t,
                      uint64_t, uint32_t, int64_t, double*);

}  // namespace basin
