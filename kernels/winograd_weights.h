// Winograd's weights: [out][3][3][in] to transformed memory [36][lane][row][16], and their gradient
// back. Each function takes whole lanes of channels, [begin, end), of one side.
#pragma once

#include "kernels/conv.h"
#include "kernels/winograd_tiles.h"

namespace basin::winograd {

inline constexpr int kTaps = 9;

// u [36][c_out/16][c_in][16], of output channels [begin, end).
template <int W>
void pack_forward(const ConvShape& s, const float* w, float* u, int64_t begin, int64_t end) {
  using V = Vector<W>;
  const int64_t stride = frequency_stride(s.c_out, s.c_in);
  alignas(64) float block[kLane][kTaps][kLane];  // [in][tap][out]
  for (int64_t out = begin; out < end; out += kLane) {
    for (int64_t in = 0; in < s.c_in; in += kLane) {
      for (int64_t o = 0; o < kLane; ++o) {
        for (int tap = 0; tap < kTaps; ++tap) {
          const float* from = w + ((out + o) * kTaps + tap) * s.c_in + in;
          for (int64_t i = 0; i < kLane; ++i) block[i][tap][o] = from[i];
        }
      }
      for (int64_t i = 0; i < kLane; ++i) {
        for (int64_t k = 0; k < kLane; k += W) {
          float* to = u + out * s.c_in + (in + i) * kLane + k;
          both_ways<V, 3, kIn>(
              [&](int r, int q) -> const V& { return load<W>(block[i][r * 3 + q] + k); },
              [](const V(&g)[3], V(&f)[kIn]) { transform_weights(g, f); },
              [&](int r, int q, const V& f) { at<W>(to + (r * kIn + q) * stride) = f; });
        }
      }
    }
  }
}

// For the data gradient: turned by half a turn, channels exchanged, u [36][c_in/16][c_out][16], of
// input channels [begin, end).
template <int W>
void pack_turned(const ConvShape& s, const float* w, float* u, int64_t begin, int64_t end) {
  using V = Vector<W>;
  const int64_t stride = frequency_stride(s.c_out, s.c_in);
  for (int64_t in = begin; in < end; in += kLane) {
    for (int64_t o = 0; o < s.c_out; ++o) {
      for (int64_t k = 0; k < kLane; k += W) {
        const float* from = w + o * kTaps * s.c_in + in + k;
        float* to = u + in * s.c_out + o * kLane + k;
        both_ways<V, 3, kIn>(
            [&](int r, int q) -> const V& {
              return load<W>(from + ((2 - r) * 3 + 2 - q) * s.c_in);
            },
            [](const V(&g)[3], V(&f)[kIn]) { transform_weights(g, f); },
            [&](int r, int q, const V& f) { at<W>(to + (r * kIn + q) * stride) = f; });
      }
    }
  }
}

// dw (=, +=) the transformed gradient [36][c_out/16][c_in][16], of output channels [begin, end).
template <int W>
void unpack_weights(const ConvShape& s, const float* packed, float* dw, Write mode, int64_t begin,
                    int64_t end) {
  using V = Vector<W>;
  const int64_t stride = frequency_stride(s.c_out, s.c_in);
  alignas(64) float block[kLane][kTaps][kLane];  // [in][tap][out]
  for (int64_t out = begin; out < end; out += kLane) {
    for (int64_t in = 0; in < s.c_in; in += kLane) {
      for (int64_t i = 0; i < kLane; ++i) {
        for (int64_t k = 0; k < kLane; k += W) {
          const float* from = packed + out * s.c_in + (in + i) * kLane + k;
          both_ways<V, kIn, 3>(
              [&](int r, int q) -> const V& { return load<W>(from + (r * kIn + q) * stride); },
              [](const V(&f)[kIn], V(&g)[3]) { transform_weight_gradient(f, g); },
              [&](int r, int q, const V& g) { at<W>(block[i][r * 3 + q] + k) = g; });
        }
      }
      for (int64_t o = 0; o < kLane; ++o) {
        for (int tap = 0; tap < kTaps; ++tap) {
          float* to = dw + ((out + o) * kTaps + tap) * s.c_in + in;
          for (int64_t i = 0; i < kLane; ++i) {
            to[i] = mode == Write::Accumulate ? to[i] + block[i][tap][o] : block[i][tap][o];
          }
        }
      }
    }
  }
}

}  // namespace basin::winograd
