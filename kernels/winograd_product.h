// The products of Winograd's transformed tiles, on memory in lanes of 16: [lane][row][16].
#pragma once

#include <cstdint>

#include "kernels/simd.h"

namespace basin::winograd {

inline constexpr int64_t kLane = 16;
inline constexpr int kRows = 8;  // of a block; transformed tiles come in multiples of it

template <int W>
using Vector = cpu::Vector<float, W>;

// m[r][lane] (=, +=) sum over k of a[r * RowStride + k * KStride] * b[k][lane], for R rows and C
// vectors of W columns.  a: `steps` runs of K values of k, `a_step` apart; b: steps * K rows of a
// lane, the next lane `b_lane` behind; m: rows of a lane, the next lane `m_lane` behind.
template <int W, int R, int C, int RowStride, int KStride, int K>
inline void block_product(const float* a, int64_t a_step, const float* b, int64_t b_lane,
                          int64_t steps, float* m, int64_t m_lane, bool accumulate) {
  using V = Vector<W>;
  const auto column = [](int c, int64_t lane) {
    return c * W / kLane * lane + c * W % kLane;  // of vector c
  };
  V sum[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      sum[r][c] = accumulate ? *reinterpret_cast<const V*>(m + r * kLane + column(c, m_lane)) : V{};
    }
  }
  for (int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 4
    for (int k = 0; k < K; ++k) {
      V row[C];
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) row[c] = *reinterpret_cast<const V*>(b + column(c, b_lane));
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) sum[r][c] += a[r * RowStride + k * KStride] * row[c];
      }
      b += kLane;
    }
    a += a_step;
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      *reinterpret_cast<V*>(m + r * kLane + column(c, m_lane)) = sum[r][c];
    }
  }
}

}  // namespace basin::winograd
