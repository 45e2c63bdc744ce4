// bfloat16: the upper half of a float. Float's range in two bytes, with 8 bits of significand, so a
// rounding is off by at most 2^-8. A type of storage: arithmetic is done on the floats that it
// converts to, by shifts that a loop vectorises.
#pragma once

#include <cstdint>
#include <limits>

#include "kernels/platform.h"

namespace basin {

struct bfloat16 {
  uint16_t bits;

  bfloat16() = default;
  // To the nearest, halfway to the even one, beyond the largest to infinity; NaN stays NaN, quiet.
  BASIN_HD constexpr explicit bfloat16(float x) : bits(rounded(__builtin_bit_cast(uint32_t, x))) {}
  // Into memory, without a struct between: g++ vectorises a loop of these, not of copies.
  BASIN_HD constexpr bfloat16& operator=(float x) {
    bits = rounded(__builtin_bit_cast(uint32_t, x));
    return *this;
  }
  BASIN_HD constexpr operator float() const {
    return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
  }

  static BASIN_HD constexpr bfloat16 of_bits(uint16_t bits) {
    bfloat16 x{};
    x.bits = bits;
    return x;
  }

 private:
  static BASIN_HD constexpr uint16_t rounded(uint32_t x) {
    const uint32_t nearest = (x + 0x7fffU + (x >> 16 & 1U)) >> 16, quiet = x >> 16 | 0x40U;
    const bool nan = static_cast<int32_t>(x & 0x7fffffffU) > 0x7f800000;
    return static_cast<uint16_t>(nan ? quiet : nearest);
  }
};

// Two floats rounded into one word, the first in its lower half.
BASIN_HD uint32_t bfloat16_pair(float first, float second) {
#ifdef BASIN_ROUNDS_PAIRS
  return rounded_pair(first, second);
#else
  return static_cast<uint32_t>(bfloat16(second).bits) << 16 | bfloat16(first).bits;
#endif
}

// What arithmetic on values of T is done in, and what parameters and statistics beside them are.
template <class T>
struct WideOf {
  using type = T;
};
template <>
struct WideOf<bfloat16> {
  using type = float;
};
template <class T>
using Wide = typename WideOf<T>::type;

}  // namespace basin

template <>
class std::numeric_limits<basin::bfloat16> {
  using T = basin::bfloat16;

 public:
  static constexpr bool is_specialized = true, is_signed = true, is_iec559 = false;
  static constexpr bool has_infinity = true, has_quiet_NaN = true;
  static constexpr int digits = 8, radix = 2;
  static constexpr T epsilon() { return T::of_bits(0x3c00); }  // 2^-7
  static constexpr T max() { return T::of_bits(0x7f7f); }
  static constexpr T lowest() { return T::of_bits(0xff7f); }
  static constexpr T min() { return T::of_bits(0x0080); }
  static constexpr T denorm_min() { return T::of_bits(0x0001); }
  static constexpr T infinity() { return T::of_bits(0x7f80); }
  static constexpr T quiet_NaN() { return T::of_bits(0x7fc0); }
};
