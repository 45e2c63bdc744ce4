// Convolution against float64's loops, whatever runs it and where: every pass in both write modes,
// in hostile memory.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/conv.h"
#include "kernels/reference.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/poison.h"

namespace basin::test {

// Memory of `size` elements, 64-byte aligned and no better, with 4 KiB of NaN behind it that must
// stay as it is: a library that writes past the end may well skip the first few hundred bytes.
template <class T>
class Roomy {
 public:
  Roomy(const Stream& stream, int64_t size)
      : size_(size), memory_(stream, size + kMargin, int64_t{64 / sizeof(T)}) {}
  static Roomy of_bytes(const Stream& stream, int64_t bytes) {
    return Roomy(stream, ceil_div<int64_t>(bytes, sizeof(T)));
  }
  T* data() { return memory_.data(); }
  std::span<const T> span() const { return memory_.span().first(static_cast<size_t>(size_)); }
  bool intact() const {
    const T nan = poison<T>();
    const Guarded<T>& all = memory_.host();
    for (int64_t i = size_; i < all.size(); ++i) {
      if (std::memcmp(all.data() + i, &nan, sizeof(T)) != 0) return false;
    }
    return all.intact();
  }

 private:
  static constexpr int64_t kMargin = 4096 / sizeof(T);
  int64_t size_;
  Placed<T> memory_;
};

// What a sum should be, and the sum of its terms' magnitudes, by which rounding is judged.
struct Expected {
  std::vector<double> value, size;

  // Winograd's way mixes the values of a tile: a small one has the rounding of its neighbours.
  Expected judged_by_the_largest() const {
    return {value, std::vector<double>(size.size(), *std::max_element(size.begin(), size.end()))};
  }
};

// A sum of `terms` products, in any order, is off by at most terms * eps * size, eps being that of
// the arithmetic, and by what `products` says of each term. A result that is Stored as bfloat16 is
// rounded when it is stored, and when it is added to another.
template <class Stored, class T>
testing::AssertionResult agrees(std::span<const T> found, const Expected& expected, double times,
                                double terms, double products = 0) {
  for (size_t i = 0; i < expected.value.size(); ++i) {
    double tolerance = times * ((terms + 2) * eps_of<Wide<T>>() + products) * expected.size[i];
    for (int rounding = 0; rounding < 2 * times; ++rounding) {
      tolerance = stored<Stored>(times * expected.value[i], tolerance);
    }
    if (!within(found[i], times * expected.value[i], tolerance)) {
      return testing::AssertionFailure() << "at " << i << " found " << found[i] << ", expected "
                                         << times * expected.value[i] << " +- " << tolerance;
    }
  }
  return testing::AssertionSuccess();
}

// One shape's inputs, and float64's three results.
template <class T>
struct ConvCase {
  explicit ConvCase(const ConvShape& s, uint64_t seed = 1)
      : shape(s),
        x(random_values<T>(s.input_size(), seed)),
        dy(random_values<T>(s.output_size(), seed + 2)),
        w(as_wide(random_values<T>(s.weight_size(), seed + 1))) {
    const Stream one = Stream::cpu(1);
    for (const bool magnitudes : {false, true}) {
      const auto wide = [&](const auto& v) {
        std::vector<double> r(v.begin(), v.end());
        for (double& e : r) e = magnitudes ? std::abs(e) : e;
        return r;
      };
      const auto x64 = wide(x), w64 = wide(w), dy64 = wide(dy);
      std::vector<double> y64(s.output_size()), dx64(x64.size()), dw64(w64.size());
      reference::conv_forward(one, s, x64.data(), w64.data(), y64.data());
      reference::conv_backward_data(one, s, dy64.data(), w64.data(), dx64.data(), Write::Overwrite);
      reference::conv_backward_filter(one, s, x64.data(), dy64.data(), dw64.data(),
                                      Write::Overwrite);
      (magnitudes ? y.size : y.value) = y64;
      (magnitudes ? dx.size : dx.value) = dx64;
      (magnitudes ? dw.size : dw.value) = dw64;
    }
  }
  // Weights are rounded where they are packed: these do not change.
  static std::vector<Wide<T>> as_wide(const std::vector<T>& v) { return {v.begin(), v.end()}; }

  ConvShape shape;
  std::vector<T> x, dy;
  std::vector<Wide<T>> w;
  Expected y, dx, dw;
};

// float32's factors are rounded to 11 bits in TF32, so a product is off by 2 * 2^-11 and less.
inline constexpr double kTf32Products = 0x1p-10;

// What each pass wrote last.
template <class T>
struct ConvResults {
  std::vector<T> y, dx;
  std::vector<Wide<T>> dw;
};

// The passes in both write modes, with NaN in all memory before and sentinels behind it.
template <class T>
ConvResults<T> expect_conv(const ConvCase<T>& c, const Stream& stream,
                           ConvPasses passes = ConvPasses::All,
                           ConvAlgorithm algorithm = ConvAlgorithm::Auto, double products = 0) {
  const ConvShape& s = c.shape;
  const Conv<T> conv(stream, s, passes, algorithm);
  SCOPED_TRACE(to_string(s) + ", " + name(stream) + ": " + conv.description());
  const bool is_packed = conv.packed_gradient_size() > 0;
  const int64_t gradient_size = is_packed ? conv.packed_gradient_size() : s.weight_size();
  const double taps = s.kernel * s.kernel, positions = s.n * s.h_out() * s.w_out();

  const bool mixes = conv.description().find("winograd") != std::string::npos ||
                     conv.description().find("fourier") != std::string::npos;
  const auto judged = [&](const Expected& e) { return mixes ? e.judged_by_the_largest() : e; };
  const Expected expected_y = judged(c.y), expected_dx = judged(c.dx), expected_dw = judged(c.dw);
  // cuDNN stores each call's dw in the images' type.
  const auto agrees_dw = [&](std::span<const Wide<T>> found, double times) {
    return stream.is_cuda() ? agrees<T>(found, expected_dw, times, positions, products)
                            : agrees<Wide<T>>(found, expected_dw, times, positions, products);
  };

  const Placed<T> x(stream, c.x), dy(stream, c.dy);
  const Placed<Wide<T>> w(stream, c.w);
  auto packed = Roomy<T>::of_bytes(stream, conv.packed_bytes());
  auto scratch = Roomy<T>::of_bytes(stream, conv.scratch_bytes());
  Roomy<T> y(stream, s.output_size()), y_again(stream, s.output_size()), dx(stream, s.input_size());
  Roomy<Wide<T>> gradient(stream, gradient_size);
  ConvResults<T> results;
  const auto copy = [](const auto& from, auto& to) {
    const auto values = from.span();
    to.assign(values.begin(), values.end());
  };
  conv.pack(stream, w.data(), packed.data());
  conv.forward(stream, x.data(), w.data(), packed.data(), y.data(), scratch.data());
  conv.forward(stream, x.data(), w.data(), packed.data(), y_again.data(), scratch.data());
  EXPECT_TRUE(agrees<T>(y.span(), expected_y, 1, taps * s.c_in, products));
  copy(y, results.y);
  EXPECT_TRUE(same_bytes(y_again.span(), std::span<const T>(results.y)));

  for (const int times : {1, 2}) {
    const Write mode = times == 1 ? Write::Overwrite : Write::Accumulate;
    if (passes == ConvPasses::All) {
      conv.backward_data(stream, dy.data(), w.data(), packed.data(), dx.data(), mode,
                         scratch.data());
      EXPECT_TRUE(agrees<T>(dx.span(), expected_dx, times, taps * s.c_out, products));
    }
    conv.backward_filter(stream, x.data(), dy.data(), gradient.data(), mode, scratch.data());
    if (!is_packed) {
      EXPECT_TRUE(agrees_dw(gradient.span(), times));
    } else {
      for (const Wide<T> g : gradient.span()) EXPECT_TRUE(std::isfinite(g));
      Roomy<Wide<T>> dw(stream, s.weight_size());
      conv.unpack_gradient(stream, gradient.data(), dw.data(), Write::Overwrite);
      EXPECT_TRUE(agrees_dw(dw.span(), times));
      conv.unpack_gradient(stream, gradient.data(), dw.data(), Write::Accumulate);
      EXPECT_TRUE(agrees_dw(dw.span(), 2 * times));
      EXPECT_TRUE(dw.intact());
    }
  }
  copy(dx, results.dx);
  copy(gradient, results.dw);
  EXPECT_TRUE(x.intact() && w.intact() && dy.intact());
  EXPECT_TRUE(packed.intact());
  EXPECT_TRUE(scratch.intact());
  EXPECT_TRUE(y.intact() && dx.intact() && gradient.intact());
  return results;
}

}  // namespace basin::test
