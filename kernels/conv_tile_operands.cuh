// The operands of a convolution's tiles: who reads what of the images and of w. A thread has one or
// more groups of four values a slice, four neighbours in memory: along k, and it puts them below
// each other, or along m or n. Positions are divided into digits once, and then only advanced.
// Indices have 32 bits, for the sake of registers: make_conv gives larger arrays to cuDNN.
#pragma once

#include <cstdint>

#include "kernels/conv.h"
#include "kernels/conv_tile.cuh"

namespace basin {

// A number written as (high, mid, low), of which mid and low have a Radix: (tap row, tap column,
// channel), or (image, row, column).
struct Radix {
  int mid, low;
};
struct Digits {
  int high, mid, low;

  BASIN_HD static Digits of(int value, Radix radix) {
    const int upper = value / radix.low;
    return {upper / radix.mid, upper % radix.mid, value % radix.low};
  }
  BASIN_HD void advance(const Digits& step, Radix radix) {
    low += step.low;
    const bool low_carries = low >= radix.low;
    if (low_carries) low -= radix.low;
    mid += step.mid + (low_carries ? 1 : 0);
    const bool mid_carries = mid >= radix.mid;
    if (mid_carries) mid -= radix.mid;
    high += step.high + (mid_carries ? 1 : 0);
  }
};

// Pixels that are written, and where each meets the image that is read: tap (r, s) of pixel
// (image, y, x) is at row y scale + top + r direction, and likewise across.
struct ConvTaps {
  int h, w, channels;  // of the image that is read
  int rows, columns;   // of the pixels
  int pixels, taps_y, taps_x;
  int scale, top, left, direction;

  BASIN_HD int weights() const { return taps_y * taps_x * channels; }
  BASIN_HD int slices() const { return taps_y * taps_x * ceil_div(channels, kTileDepth); }
  BASIN_HD Radix tap_radix() const { return {taps_x, channels}; }
  BASIN_HD Radix pixel_radix() const { return {rows, columns}; }
  BASIN_HD bool inside(int y, int x) const {
    return static_cast<unsigned>(y) < static_cast<unsigned>(h) &&
           static_cast<unsigned>(x) < static_cast<unsigned>(w);
  }
  BASIN_HD int at(int image, int y, int x) const { return ((image * h + y) * w + x) * channels; }

  // y's pixels in x.
  BASIN_HD static ConvTaps forward(const ConvShape& s) {
    const auto kernel = static_cast<int>(s.kernel), padding = static_cast<int>(s.padding);
    return {static_cast<int>(s.h),
            static_cast<int>(s.w),
            static_cast<int>(s.c_in),
            static_cast<int>(s.h_out()),
            static_cast<int>(s.w_out()),
            static_cast<int>(s.n * s.h_out() * s.w_out()),
            kernel,
            kernel,
            static_cast<int>(s.stride),
            -padding,
            -padding,
            1};
  }
};

// dx's pixels of one parity in dy. A pixel meets only every stride-th tap, so the pixels fall into
// stride^2 problems, by the first tap that they meet; each is a convolution of stride 1.
struct ConvParity {
  int tap_y, tap_x;      // the first
  int first_y, first_x;  // the first pixel

  BASIN_HD static ConvParity of(const ConvShape& s, int64_t problem) {
    const auto tap_y = static_cast<int>(problem / s.stride);
    const auto tap_x = static_cast<int>(problem % s.stride);
    const auto first = [&](int tap) {
      const int64_t past = (tap - s.padding) % s.stride;
      return static_cast<int>(past < 0 ? past + s.stride : past);
    };
    return {tap_y, tap_x, first(tap_y), first(tap_x)};
  }

  BASIN_HD ConvTaps taps(const ConvShape& s) const {
    const auto every = [&](int64_t size, int from) {
      return static_cast<int>(size > from ? ceil_div(size - from, s.stride) : 0);
    };
    const auto origin = [&](int first, int tap) {
      return static_cast<int>((first + s.padding - tap) / s.stride);
    };
    const int rows = every(s.h, first_y), columns = every(s.w, first_x);
    return {static_cast<int>(s.h_out()),
            static_cast<int>(s.w_out()),
            static_cast<int>(s.c_out),
            rows,
            columns,
            static_cast<int>(s.n * rows * columns),
            every(s.kernel, tap_y),
            every(s.kernel, tap_x),
            1,
            origin(first_y, tap_y),
            origin(first_x, tap_x),
            -1};
  }
};

// How a thread's groups lie in [kTileDepth][Extent]: four k of a row, the same k in each group; or
// four rows of one k, the same rows in each.
template <int Extent, int Threads>
struct GroupsAlongK {
  static constexpr int kCount = ceil_div(Extent * kTileDepth / 4, Threads);
  int thread;

  BASIN_DEVICE int k() const { return thread % (kTileDepth / 4) * 4; }
  BASIN_DEVICE int row(int i) const { return (thread + i * Threads) / (kTileDepth / 4); }
  BASIN_DEVICE bool has(int i) const {
    return kCount * Threads == Extent * kTileDepth / 4 || row(i) < Extent;
  }
  BASIN_DEVICE void put(TileSteps<Extent>& to, int i, const Pack16<float>& pack) const {
    if (!has(i)) return;
    BASIN_UNROLL
    for (int j = 0; j < 4; ++j) to[k() + j][row(i)] = pack.value[j];
  }
};
template <int Extent, int Threads>
struct GroupsAcross {
  static constexpr int kCount = ceil_div(Extent * kTileDepth / 4, Threads);
  int thread;

  BASIN_DEVICE int k(int i) const { return (thread + i * Threads) / (Extent / 4); }
  BASIN_DEVICE int row() const { return thread % (Extent / 4) * 4; }
  BASIN_DEVICE bool has(int i) const {
    return kCount * Threads == Extent * kTileDepth / 4 || k(i) < kTileDepth;
  }
  BASIN_DEVICE void put(TileSteps<Extent>& to, int i, const Pack16<float>& pack) const {
    if (has(i)) store_pack(&to[k(i)][row()], pack, Access::Packed);
  }
};

template <class Groups>
class Operand : protected Groups {
 public:
  explicit BASIN_DEVICE Operand(int thread) : Groups{thread} {}
  template <class Steps>
  BASIN_DEVICE void put(Steps& to) const {
    BASIN_UNROLL
    for (int i = 0; i < Groups::kCount; ++i) Groups::put(to, i, next_[i]);
  }

 protected:
  Pack16<float> next_[Groups::kCount];
};

// The `has` of 4 values from `from` on, and zeros.
BASIN_DEVICE Pack16<float> load_some(const float* from, int has, Access access) {
  Pack16<float> pack = {};
  if (access == Access::Packed) return has > 0 ? load_pack(from, Access::Packed) : pack;
  BASIN_UNROLL
  for (int j = 0; j < 4; ++j) {
    if (j < has) pack.value[j] = from[j];
  }
  return pack;
}

// Where k stands: a tap, and the first of kTileDepth channels. All threads are at the same place.
struct TapWalk {
  int y, x, channel;

  // A slice of k, of which a tap has channels / kTileDepth, the last filled up with zeros.
  BASIN_HD static TapWalk at(const ConvTaps& taps, int slice) {
    const int each = ceil_div(taps.channels, kTileDepth), tap = slice / each;
    return {tap / taps.taps_x, tap % taps.taps_x, slice % each * kTileDepth};
  }
  BASIN_HD void advance(const ConvTaps& taps) {
    channel += kTileDepth;
    if (channel < taps.channels) return;
    channel = 0;
    if (++x < taps.taps_x) return;
    x = 0;
    ++y;
  }
};

// A [k = tap, channel][m = pixel]: an image around each of its pixels.
template <int Extent, int Threads>
class TapsOfPixels : public Operand<GroupsAlongK<Extent, Threads>> {
  using Groups = GroupsAlongK<Extent, Threads>;

 public:
  BASIN_DEVICE TapsOfPixels(int thread, const ConvTaps& taps, const float* image, int m,
                            Access access)
      : Operand<Groups>(thread), taps_(taps), image_(image + this->k()), access_(access) {
    BASIN_UNROLL
    for (int i = 0; i < Groups::kCount; ++i) {
      const int pixel = m + this->row(i);
      const Digits at = Digits::of(pixel, taps.pixel_radix());
      y_[i] = pixel < taps.pixels ? at.mid * taps.scale + taps.top : kNowhere;
      x_[i] = at.low * taps.scale + taps.left;
      at_[i] = taps.at(at.high, at.mid * taps.scale + taps.top, x_[i]);
    }
  }

  BASIN_DEVICE void fetch(const TapWalk& k) {
    const int y = taps_.direction * k.y, x = taps_.direction * k.x;
    const int offset = taps_.at(0, y, x) + k.channel;
    const int has = taps_.channels - k.channel - this->k();
    BASIN_UNROLL
    for (int i = 0; i < Groups::kCount; ++i) {
      const bool inside = taps_.inside(y_[i] + y, x_[i] + x);
      this->next_[i] = load_some(image_ + (at_[i] + offset), inside ? has : 0, access_);
    }
  }

 private:
  static constexpr int kNowhere = -(1 << 29);  // a row that no tap brings into the image

  ConvTaps taps_;
  const float* image_;
  Access access_;
  int y_[Groups::kCount], x_[Groups::kCount], at_[Groups::kCount];
};

// B [k = tap, c_in][n = c_out] of w: rows that lie along k.
template <int Extent, int Threads>
class WeightsForward : public Operand<GroupsAlongK<Extent, Threads>> {
  using Groups = GroupsAlongK<Extent, Threads>;

 public:
  BASIN_DEVICE WeightsForward(int thread, const ConvTaps& taps, int c_out, const float* w, int n,
                              Access access)
      : Operand<Groups>(thread),
        taps_(taps),
        rows_(c_out - n),
        w_(w + int64_t{n} * taps.weights() + this->k()),
        access_(access) {}

  BASIN_DEVICE void fetch(const TapWalk& k) {
    const int offset = (k.y * taps_.taps_x + k.x) * taps_.channels + k.channel;
    const int has = taps_.channels - k.channel - this->k();
    BASIN_UNROLL
    for (int i = 0; i < Groups::kCount; ++i) {
      const int row = this->row(i);
      this->next_[i] = load_some(w_ + (row * taps_.weights() + offset),
                                 this->has(i) && row < rows_ ? has : 0, access_);
    }
  }

 private:
  ConvTaps taps_;
  int rows_;
  const float* w_;
  Access access_;
};

// B [k = tap, c_out][n = c_in] of w, for the taps that a parity meets.
template <int Extent, int Threads>
class WeightsBackward : public Operand<GroupsAcross<Extent, Threads>> {
  using Groups = GroupsAcross<Extent, Threads>;

 public:
  BASIN_DEVICE WeightsBackward(int thread, const ConvShape& s, const ConvParity& parity,
                               const float* w, int n, Access access)
      : Operand<Groups>(thread),
        kernel_(static_cast<int>(s.kernel)),
        stride_(static_cast<int>(s.stride)),
        c_in_(static_cast<int>(s.c_in)),
        c_out_(static_cast<int>(s.c_out)),
        has_(c_in_ - n - this->row()),
        w_(w + (parity.tap_y * s.kernel + parity.tap_x) * s.c_in + n + this->row()),
        access_(access) {}

  BASIN_DEVICE void fetch(const TapWalk& k) {
    const int tap = (k.y * kernel_ + k.x) * stride_;
    BASIN_UNROLL
    for (int i = 0; i < Groups::kCount; ++i) {
      const int channel = k.channel + this->k(i);
      this->next_[i] = load_some(w_ + (channel * kernel_ * kernel_ + tap) * c_in_,
                                 this->has(i) && channel < c_out_ ? has_ : 0, access_);
    }
  }

 private:
  int kernel_, stride_, c_in_, c_out_, has_;
  const float* w_;
  Access access_;
};

// Where k stands: the first of kTileDepth pixels.
struct PixelWalk {
  int pixel;
  BASIN_HD void advance(const ConvTaps&) { pixel += kTileDepth; }
};

// A [k = pixel][m = tap, channel]: the same image the other way round.
template <int Width, int Extent, int Threads>
class PixelsOfTaps : public Operand<GroupsAcross<Extent, Threads>> {
  using Groups = GroupsAcross<Extent, Threads>;

 public:
  // From `pixel` on.
  BASIN_DEVICE PixelsOfTaps(int thread, const ConvTaps& taps, const float* image, int m, int pixel)
      : Operand<Groups>(thread),
        taps_(taps),
        image_(image),
        tap_(Digits::of(m + this->row(), taps.tap_radix())),
        next_tap_(Digits::of(1, taps.tap_radix())),
        step_(Digits::of(kTileDepth, taps.pixel_radix())) {
    BASIN_UNROLL
    for (int i = 0; i < Groups::kCount; ++i) {
      pixel_[i] = Digits::of(pixel + this->k(i), taps.pixel_radix());
    }
  }

  BASIN_DEVICE void fetch(const PixelWalk& k) {
    BASIN_UNROLL
    for (int i = 0; i < Groups::kCount; ++i) {
      const bool has = this->has(i) && k.pixel + this->k(i) < taps_.pixels;
      Digits tap = tap_;
      BASIN_UNROLL
      for (int j = 0; j < 4; j += Width) {
        const int y = pixel_[i].mid * taps_.scale + taps_.top + tap.high;
        const int x = pixel_[i].low * taps_.scale + taps_.left + tap.mid;
        const bool meets = has && tap.high < taps_.taps_y && taps_.inside(y, x);
        const float* from = image_ + (taps_.at(pixel_[i].high, y, x) + tap.low);
        if constexpr (Width == 4) {
          this->next_[i] = load_some(from, meets ? 4 : 0, Access::Packed);
        } else {
          this->next_[i].value[j] = meets ? *from : 0.0F;
          tap.advance(next_tap_, taps_.tap_radix());
        }
      }
      pixel_[i].advance(step_, taps_.pixel_radix());
    }
  }

 private:
  ConvTaps taps_;
  const float* image_;
  Digits tap_, next_tap_, step_, pixel_[Groups::kCount];
};

// B [k = pixel][n = channel] of dy.
template <int Extent, int Threads>
class PixelsOfGradient : public Operand<GroupsAcross<Extent, Threads>> {
  using Groups = GroupsAcross<Extent, Threads>;

 public:
  BASIN_DEVICE PixelsOfGradient(int thread, int pixels, int channels, const float* dy, int n,
                                Access access)
      : Operand<Groups>(thread),
        pixels_(pixels),
        channels_(channels),
        has_(channels - n - this->row()),
        dy_(dy + n + this->row()),
        access_(access) {}

  BASIN_DEVICE void fetch(const PixelWalk& k) {
    BASIN_UNROLL
    for (int i = 0; i < Groups::kCount; ++i) {
      const int pixel = k.pixel + this->k(i);
      this->next_[i] =
          load_some(dy_ + pixel * channels_, this->has(i) && pixel < pixels_ ? has_ : 0, access_);
    }
  }

 private:
  int pixels_, channels_, has_;
  const float* dy_;
  Access access_;
};

}  // namespace basin
