// bfloat16 against an independent computation: every value, and the float between two of them.
#include "kernels/bfloat16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/simd.h"

namespace basin::test {
namespace {

// The value that the bits stand for, from sign, exponent and significand.
double value_of(uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 7 & 0xffU);
  const double significand = bits & 0x7fU;
  const double size = exponent == 0xff ? (significand == 0 ? INFINITY : NAN)
                      : exponent == 0  ? std::ldexp(significand, -133)
                                       : std::ldexp(128 + significand, exponent - 134);
  return (bits & 0x8000U) != 0 ? -size : size;
}

TEST(Bfloat16, EveryValueIsExact) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bfloat16 x = bfloat16::of_bits(static_cast<uint16_t>(bits));
    const double value = value_of(bits);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(x))) << bits;
      EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(static_cast<float>(x))))) << bits;
      continue;
    }
    EXPECT_EQ(static_cast<double>(x), value) << bits;
    EXPECT_EQ(std::signbit(static_cast<float>(x)), std::signbit(value)) << bits;
    EXPECT_EQ(bfloat16(static_cast<float>(x)).bits, bits);
  }
}

// The nearest of all finite values and of the infinity behind them, the even one of two.
uint32_t nearest(float x) {
  uint32_t low = 0, high = 0x7f80;  // sizes, ascending
  const double size = std::fabs(x);
  const double beyond = std::ldexp(1.0, 128);  // where infinity stands when it is rounded to
  const auto at = [&](uint32_t bits) { return bits == 0x7f80 ? beyond : value_of(bits); };
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    (at(middle) <= size ? low : high) = middle;
  }
  const double below = size - at(low), above = at(high) - size;
  const uint32_t bits = below < above || (below == above && low % 2 == 0) ? low : high;
  return std::signbit(x) ? bits | 0x8000U : bits;
}

TEST(Bfloat16, RoundsToTheNearestAndHalvesToTheEven) {
  std::mt19937 engine(1);
  const auto expect_nearest = [](float x) {
    if (std::isinf(x) || std::isnan(x)) return;
    ASSERT_EQ(bfloat16(x).bits, nearest(x)) << std::hexfloat << x;
  };
  for (int i = 0; i < 200000; ++i) {
    const auto bits = static_cast<uint32_t>(engine());
    float x = 0;
    std::memcpy(&x, &bits, sizeof x);
    expect_nearest(x);
  }
  for (uint32_t bits = 0; bits < 0x7f80; ++bits) {  // around each halfway
    for (const uint32_t low : {0x7fffU, 0x8000U, 0x8001U}) {
      const uint32_t all = bits << 16 | low;
      float x = 0;
      std::memcpy(&x, &all, sizeof x);
      expect_nearest(x);
      expect_nearest(-x);
    }
  }
}

TEST(Bfloat16, EveryNanStaysNanAndInfinityInfinity) {
  for (uint32_t low = 1; low < 0x800000; low = low * 3 + 1) {
    const uint32_t bits = 0x7f800000U | (low & 0x7fffffU);
    float x = 0;
    std::memcpy(&x, &bits, sizeof x);
    ASSERT_TRUE(std::isnan(x));
    EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(x)))) << low;
    EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(-x)))) << low;
  }
  EXPECT_EQ(static_cast<float>(bfloat16(INFINITY)), INFINITY);
  EXPECT_EQ(static_cast<float>(bfloat16(-INFINITY)), -INFINITY);
  EXPECT_EQ(static_cast<float>(bfloat16(std::numeric_limits<float>::max())), INFINITY);
}

TEST(Bfloat16, LimitsAreItsOwn) {
  using Limits = std::numeric_limits<bfloat16>;
  EXPECT_EQ(Limits::epsilon(), std::ldexp(1.0F, -7));
  EXPECT_EQ(static_cast<float>(Limits::max()), value_of(0x7f7f));
  EXPECT_EQ(Limits::lowest(), -Limits::max());
  EXPECT_EQ(Limits::min(), std::numeric_limits<float>::min());
  EXPECT_EQ(Limits::infinity(), INFINITY);
  EXPECT_TRUE(std::isnan(static_cast<float>(Limits::quiet_NaN())));
  static_assert(sizeof(bfloat16) == 2 && bfloat16(1.0F).bits == 0x3f80);
}

}  // namespace
}  // namespace basin::test
