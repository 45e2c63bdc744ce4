// The matrix product of the emulated library, as plain loops.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace basin::emulated {

// How much of a float a tensor core multiplies: all of it, or 10 bits of its significand.
enum class Significand { Whole, Tf32 };

// To the nearest, halfway away from zero, as the hardware's conversion does.
inline float to_tf32(float x) {
  if (!std::isfinite(x)) return x;
  uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof(x));
  bits = (bits + 0x1000U) & ~0x1fffU;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}
template <class T>
double multiplied(T x, Significand significand) {
  if (significand == Significand::Tf32) return to_tf32(static_cast<float>(x));
  return x;
}

// An operand, where op(A)[i, p] is at i * row + p * column.
template <class T>
struct Operand {
  const T* data;
  int64_t row, column;
};

// The order in which the parts of a sum over k are added to the result.
enum class Parts { One, First, Last };

// D = alpha op(A) op(B) + beta C, column-major; C is not read where beta is 0. op(A): [m, k].
// Sums are in double, and rounded once; in two parts, k's halves, each part is.
template <class T>
void product(int64_t m, int64_t n, int64_t k, Significand significand, Parts parts, T alpha,
             Operand<T> a, Operand<T> b, T beta, const T* c, int64_t ldc, T* d, int64_t ldd) {
  const auto sum = [&](int64_t i, int64_t j, int64_t begin, int64_t end) {
    double total = 0;
    for (int64_t p = begin; p < end; ++p) {
      total += multiplied(a.data[i * a.row + p * a.column], significand) *
               multiplied(b.data[p * b.row + j * b.column], significand);
    }
    return total;
  };
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < m; ++i) {
      const double before = beta == 0 ? 0.0 : double{beta} * c[i + j * ldc];
      T& out = d[i + j * ldd];
      if (parts == Parts::One) {
        out = static_cast<T>(before + double{alpha} * sum(i, j, 0, k));
        continue;
      }
      const double low = alpha * sum(i, j, 0, k / 2), high = alpha * sum(i, j, k / 2, k);
      out = static_cast<T>(before + (parts == Parts::First ? low : high));
      out = static_cast<T>(out + (parts == Parts::First ? high : low));
    }
  }
}

}  // namespace basin::emulated
