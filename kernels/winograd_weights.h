// Winograd's weights: [out][3][3][in] to transformed memory, and their gradient back. Each function
// takes whole lanes of channels, [begin, end), of one side.
#pragma once

#include "kernels/conv.h"
#include "kernels/winograd_tiles.h"

namespace basin::winograd {

inline constexpr int kTaps = 9;

// The tap of row r and column q of a phase's weights; turned: of the last row and column back.
template <int Stride>
constexpr int tap_of(const Phase& down, const Phase& along, int r, int q) {
  return (down.tap + r * Stride) * 3 + along.tap + q * Stride;
}

// The offset of a phase's frequency in [frequency][c_out/16][planes * c_in][16], and of a row of
// its lane `out`.
template <int Stride, int P, int Q>
inline int64_t row_offset(const ConvShape& s, int64_t out, int64_t in, int i, int j) {
  const int f = i * Scheme<Stride>::kSide + j;
  const int first = kPlanes<Stride>.before[f], planes = kPlanes<Stride>.before[f + 1] - first;
  const int64_t rank = kPlanes<Stride>.plane[P][Q][i][j] - first;
  return first * s.c_in * s.c_out + f * kPad + out * planes * s.c_in + (rank * s.c_in + in) * kLane;
}

// u [frequency][c_out/16][planes * c_in][16], of output channels [begin, end).
template <int W, int Stride>
void pack_forward(const ConvShape& s, const float* w, float* u, int64_t begin, int64_t end) {
  constexpr auto& kPhases = Scheme<Stride>::kPhases;
  using V = Vector<W>;
  alignas(64) float block[kLane][kTaps][kLane];  // [in][tap][out]
  for (int64_t out = begin; out < end; out += kLane) {
    for (int64_t in = 0; in < s.c_in; in += kLane) {
      for (int64_t o = 0; o < kLane; ++o) {
        for (int tap = 0; tap < kTaps; ++tap) {
          const float* from = w + ((out + o) * kTaps + tap) * s.c_in + in;
          for (int64_t i = 0; i < kLane; ++i) block[i][tap][o] = from[i];
        }
      }
      for (int64_t c = 0; c < kLane; ++c) {
        for (int64_t k = 0; k < kLane; k += W) {
          each_phase<Stride>([&](auto p, auto q) {
            constexpr Phase kDown = kPhases[p], kAlong = kPhases[q];
            both_ways<V, kDown.taps, kDown.frequencies, kAlong.taps, kAlong.frequencies>(
                [&](int i, int j) -> const V& {
                  return load<W>(block[c][tap_of<Stride>(kDown, kAlong, i, j)] + k);
                },
                [](const auto& g, auto& f) { transform_weights(g, f); },
                [&](int i, int j, const V& f) {
                  at<W>(u + row_offset<Stride, p, q>(s, out, in + c, i, j) + k) = f;
                });
          });
        }
      }
    }
  }
}

// For the data gradient: turned by half a turn, channels exchanged,
// u [frequency][planes * c_in/16][c_out][16], of input channels [begin, end).
template <int W, int Stride>
void pack_turned(const ConvShape& s, const float* w, float* u, int64_t begin, int64_t end) {
  constexpr auto& kPhases = Scheme<Stride>::kPhases;
  using V = Vector<W>;
  for (int64_t in = begin; in < end; in += kLane) {
    for (int64_t o = 0; o < s.c_out; ++o) {
      for (int64_t k = 0; k < kLane; k += W) {
        const float* from = w + o * kTaps * s.c_in + in + k;
        float* to = u + in * s.c_out + o * kLane + k;
        each_phase<Stride>([&](auto p, auto q) {
          constexpr Phase kDown = kPhases[p], kAlong = kPhases[q];
          both_ways<V, kDown.taps, kDown.frequencies, kAlong.taps, kAlong.frequencies>(
              [&](int i, int j) -> const V& {
                return load<W>(
                    from + tap_of<Stride>(kDown, kAlong, kDown.taps - 1 - i, kAlong.taps - 1 - j) *
                               s.c_in);
              },
              [](const auto& g, auto& f) { transform_weights(g, f); },
              [&](int i, int j, const V& f) {
                at<W>(to + plane_offset<Stride, p, q>(i, j, s.c_in * s.c_out)) = f;
              });
        });
      }
    }
  }
}

// dw (=, +=) the transformed gradient, which lies like pack_forward's u, of output channels
// [begin, end).
template <int W, int Stride>
void unpack_weights(const ConvShape& s, const float* packed, float* dw, Write mode, int64_t begin,
                    int64_t end) {
  constexpr auto& kPhases = Scheme<Stride>::kPhases;
  using V = Vector<W>;
  alignas(64) float block[kLane][kTaps][kLane];  // [in][tap][out]
  for (int64_t out = begin; out < end; out += kLane) {
    for (int64_t in = 0; in < s.c_in; in += kLane) {
      for (int64_t c = 0; c < kLane; ++c) {
        for (int64_t k = 0; k < kLane; k += W) {
          each_phase<Stride>([&](auto p, auto q) {
            constexpr Phase kDown = kPhases[p], kAlong = kPhases[q];
            both_ways<V, kDown.frequencies, kDown.taps, kAlong.frequencies, kAlong.taps>(
                [&](int i, int j) -> const V& {
                  return load<W>(packed + row_offset<Stride, p, q>(s, out, in + c, i, j) + k);
                },
                [](const auto& f, auto& g) { transform_weight_gradient(f, g); },
                [&](int i, int j, const V& g) {
                  at<W>(block[c][tap_of<Stride>(kDown, kAlong, i, j)] + k) = g;
                });
          });
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
