#include "engine/data/shapes.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/random.h"

namespace basin {
namespace {

// Sixteenths of a turn: cosine and sine in units of 1/1024, so that no libm is asked.
constexpr int kCosine[16] = {1024,  946,  724,  392,  0, -392, -724, -946,
                             -1024, -946, -724, -392, 0, 392,  724,  946};
constexpr int kUnit = 1024;

// Is the point (x, y), in units of 1/1024 of the shape's radius, inside the shape?
bool inside(int shape, int64_t x, int64_t y) {
  const int64_t r2 = x * x + y * y, one = int64_t{kUnit} * kUnit;
  const int64_t ax = std::abs(x), ay = std::abs(y), side = std::max(ax, ay);
  switch (shape) {
    case 0:
      return r2 <= one;  // disc
    case 1:
      return r2 <= one && r2 >= one * 36 / 100;  // ring
    case 2:
      return side <= 850;  // square
    case 3:
      return side <= 850 && side >= 520;  // frame
    case 4:
      return y <= 700 && y >= -900 && 2 * ax <= 900 + y;  // triangle
    case 5:
      return side <= 900 && std::abs(ax - ay) <= 260;  // cross
    case 6:
      return side <= 950 && std::min(ax, ay) <= 240;  // plus
    case 7:
      return side <= 900 && (y + 4096) / 300 % 2 == 0;  // stripes
    case 8:
      return side <= 900 && ((x + 4096) / 450 + (y + 4096) / 450) % 2 == 0;  // checker
    default:
      return r2 <= one && (x - 450) * (x - 450) + y * y > one * 64 / 100;  // crescent
  }
}

// The random numbers of one image, in order.
class Draws {
 public:
  Draws(uint32_t split, int64_t image) : split_(split), image_(image) {}
  int operator()(int bound) {  // [0, bound)
    if (used_ == 4) {
      bits_ = philox_at(0, Purpose::Data, split_,
                        static_cast<uint64_t>(image_) << 20 | static_cast<uint64_t>(block_++));
      used_ = 0;
    }
    const uint64_t wide = uint64_t{bits_.value[used_++]} * static_cast<uint64_t>(bound);
    return static_cast<int>(wide >> 32);
  }

 private:
  uint32_t split_;
  int64_t image_;
  Philox4 bits_{};
  int used_ = 4, block_ = 0;
};

void draw(int shape, Draws& next, uint8_t* image) {
  int ink[3], from[3], to[3];
  for (int c = 0; c < 3; ++c) {
    ink[c] = 40 + next(216);
    from[c] = next(200);
    to[c] = next(200);
  }
  const int radius = 6 + next(8), cx = 10 + next(13), cy = 10 + next(13);
  const int turn = shape <= 1 ? 0 : next(16);
  const int cosine = kCosine[turn], sine = kCosine[(turn + 12) % 16];
  const int bar = next(32), bar_width = next(5), noise = 20 + next(60), contrast = 55 + next(46);
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 32; ++x) {
      const int64_t dx = int64_t{x - cx} * kUnit / radius, dy = int64_t{y - cy} * kUnit / radius;
      const int64_t u = (dx * cosine + dy * sine) / kUnit, v = (dy * cosine - dx * sine) / kUnit;
      const bool hidden = x >= bar && x < bar + bar_width;
      const bool on = !hidden && inside(shape, u, v);
      for (int c = 0; c < 3; ++c) {
        const int ground = from[c] + (to[c] - from[c]) * y / 31;
        const int value = on ? ground + (ink[c] - ground) * contrast / 100 : ground;
        *image++ = static_cast<uint8_t>(std::clamp(value + next(2 * noise + 1) - noise, 0, 255));
      }
    }
  }
}

}  // namespace

Dataset make_shapes(int64_t n, uint32_t split) {
  Dataset data;
  data.n = n;
  data.images.resize(n * data.h * data.w * data.c);
  data.labels.resize(n);
  for (int64_t i = 0; i < n; ++i) {
    Draws next(split, i);
    data.labels[i] = next(data.classes);
    draw(data.labels[i], next, data.images.data() + i * data.h * data.w * data.c);
  }
  return data;
}

}  // namespace basin
