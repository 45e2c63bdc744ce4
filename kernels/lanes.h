// W neighbouring values of T in a loop's body, read and written as Wide<T>. Of float and double
// they are the memory itself. A bfloat16 is widened as it is read, and rounded as it is written;
// sixteen by one instruction each, in bodies that run by vectorised_for<bfloat16> (simd.h). Left to
// itself g++ chooses vectors by the narrow type, and norms take twice float's time.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/bfloat16.h"
#include "kernels/simd.h"

namespace basin::cpu {

// x[0], ..., x[W - 1].
template <int W, class T>
class Lanes {
 public:
  explicit Lanes(const T* x) : x_(x) {}
  Wide<T> operator[](int j) const { return x_[j]; }

 private:
  const T* x_;
};

// y[0], ..., y[W - 1], to be assigned once each; in memory when this goes.
template <int W, class T>
class WrittenLanes {
 public:
  explicit WrittenLanes(T* y) : y_(y) {}
  T& operator[](int j) { return y_[j]; }

 private:
  T* y_;
};

#if defined(__x86_64__)

template <>
class Lanes<16, bfloat16> {
 public:
  BASIN_AVX512_BF16 explicit Lanes(const bfloat16* x) {
    const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    const __m512i wide = _mm512_maskz_cvtepu16_epi32(kAll, narrow);
    _mm512_storeu_si512(values_, _mm512_maskz_slli_epi32(kAll, wide, 16));
  }
  float operator[](int j) const { return values_[j]; }

 private:
  static constexpr __mmask16 kAll = 0xffff;  // g++ 12 warns of its own undefined value without
  float values_[16];
};

// The instruction rounds as bfloat16 itself does, but takes subnormal values for 0.
template <>
class WrittenLanes<16, bfloat16> {
 public:
  explicit WrittenLanes(bfloat16* y) : y_(y) {}
  WrittenLanes(const WrittenLanes&) = delete;
  WrittenLanes& operator=(const WrittenLanes&) = delete;
  float& operator[](int j) { return values_[j]; }
  BASIN_AVX512_BF16 ~WrittenLanes() {
    const __m256bh narrow = _mm512_cvtneps_pbh(_mm512_loadu_ps(values_));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y_), reinterpret_cast<const __m256i&>(narrow));
  }

 private:
  bfloat16* y_;
  float values_[16];
};

#endif

}  // namespace basin::cpu
