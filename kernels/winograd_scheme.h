// A 3x3 convolution of stride 1 or 2 as convolutions of stride 1, and where its frequencies lie.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/winograd_product.h"
#include "kernels/winograd_transforms.h"

namespace basin::winograd {

// One residue of x's rows (or columns) modulo the stride: rows `first`, `first` + stride, … of x's
// tile are convolved with the taps `tap`, `tap` + stride, … alone.
struct Phase {
  int frequencies;  // of a tile, and the values of x that it reads
  int taps, tap;
  int first;           // row of x, from stride * kOut * the tile's index
  int gradient_first;  // likewise, of the four rows of dx that the data gradient's tile writes
};

// Stride 1 has one phase, F(4, 3). At stride 2 odd rows of x meet the outer taps, F(4, 2), and even
// ones the middle tap. Frequencies are those of the first phase; the second has all but the last.
template <int Stride>
struct Scheme;
template <>
struct Scheme<1> {
  static constexpr std::array<Phase, 1> kPhases = {{{6, 3, 0, -1, 0}}};
  static constexpr int kSide = 6;      // frequencies one way
  static constexpr int kDyFirst = -1;  // row of dy that a tile of the data gradient begins at
};
template <>
struct Scheme<2> {
  static constexpr std::array<Phase, 2> kPhases = {{{5, 2, 0, -1, 1}, {4, 1, 1, 0, 0}}};
  static constexpr int kSide = 5;
  static constexpr int kDyFirst = 0;
};

template <int Stride>
inline constexpr int kFrequencies = Scheme<Stride>::kSide* Scheme<Stride>::kSide;

// On x's side each frequency holds the channels of as many phases (down and along) as have it: its
// planes. All planes are counted through, frequency by frequency.
template <int Stride>
struct Planes {
  static constexpr int kSide = Scheme<Stride>::kSide, kPhases = Stride;
  int before[kSide * kSide + 1] = {};              // planes of earlier frequencies
  int plane[kPhases][kPhases][kSide][kSide] = {};  // by phase down, phase along, frequency

  constexpr Planes() {
    int next = 0;
    for (int f = 0; f < kSide * kSide; ++f) {
      before[f] = next;
      const int i = f / kSide, j = f % kSide;
      for (int p = 0; p < kPhases; ++p) {
        for (int q = 0; q < kPhases; ++q) {
          const auto& phases = Scheme<Stride>::kPhases;
          if (i >= phases[p].frequencies || j >= phases[q].frequencies) continue;
          plane[p][q][i][j] = next++;
        }
      }
    }
    before[kSide * kSide] = next;
  }
};
template <int Stride>
inline constexpr Planes<Stride> kPlanes;
template <int Stride>
inline constexpr int kPlaneCount = kPlanes<Stride>.before[kFrequencies<Stride>];

// body(phase down, phase along), as integral_constants.
template <int Stride, class Body>
inline void each_phase(const Body& body) {
  const auto along = [&]<int... I>(std::integer_sequence<int, I...>) {
    (body(std::integral_constant<int, I / Stride>{}, std::integral_constant<int, I % Stride>{}),
     ...);
  };
  along(std::make_integer_sequence<int, Stride * Stride>{});
}

// Frequencies a power of two apart would fall on the same lines of a cache: a lane lies between.
inline constexpr int64_t kPad = kLane;

// Transformed memory [frequency][lane][row][16], on the side of x (whose frequencies have planes)
// or on the side of y.
template <int Stride>
struct Side {
  int64_t channels;
  bool phased;

  int64_t channels_at(int f) const {
    const auto& before = kPlanes<Stride>.before;
    return phased ? (before[f + 1] - before[f]) * channels : channels;
  }
  int64_t offset(int f, int64_t rows) const {
    return (phased ? kPlanes<Stride>.before[f] : f) * channels * rows + f * kPad;
  }
  int64_t values(int64_t rows) const { return offset(kFrequencies<Stride>, rows); }
};

// Where frequency (i, j) of a phase begins, on the side of x, each plane having `size` values.
template <int Stride, int P, int Q>
inline int64_t plane_offset(int i, int j, int64_t size) {
  return kPlanes<Stride>.plane[P][Q][i][j] * size + (i * Scheme<Stride>::kSide + j) * kPad;
}

}  // namespace basin::winograd
