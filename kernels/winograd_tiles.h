// The tiles of Winograd's convolution: from an image batch to transformed memory, and back.
#pragma once

#include <algorithm>

#include "kernels/stream.h"
#include "kernels/winograd_scheme.h"

namespace basin::winograd {

// Tiles of 4x4 pixels of y, image after image.
struct Tiles {
  int64_t n, h, w;  // of y
  int64_t rows() const { return ceil_div<int64_t>(h, kOut); }
  int64_t columns() const { return ceil_div<int64_t>(w, kOut); }
  int64_t count() const { return n * rows() * columns(); }
};

// Tiles [begin, end), in memory of `rows` rows.
struct Group {
  const Tiles& tiles;
  int64_t begin, end, rows;
  int64_t size() const { return end - begin; }
  Group next() const { return {tiles, end, std::min(end + size(), tiles.count()), rows}; }
};

// One tile's place among images.
struct Place {
  int64_t image, row, column;  // in tiles
  Place(const Tiles& t, int64_t tile)
      : image(tile / (t.rows() * t.columns())),
        row(tile / t.columns() % t.rows()),
        column(tile % t.columns()) {}
};

struct Image {
  int64_t h, w, c;
};

// The whole rows of pixels of an image batch in which a group's tiles lie, `side` pixels high.
struct Pixels {
  const float* begin = nullptr;
  int64_t values = 0;

  Pixels(const Group& g, const float* images, const Image& s, int64_t side) {
    const auto row_of = [&](int64_t tile) {
      const Place at(g.tiles, tile);
      return std::min(at.image * s.h + at.row * side, g.tiles.n * s.h);
    };
    begin = images + row_of(g.begin) * s.w * s.c;
    values = (row_of(g.end) - row_of(g.begin)) * s.w * s.c;
  }

  // Asks for part `part` of `parts` to be brought to the second-level cache.
  void prefetch(int part, int parts) const {
    for (int64_t i = values * part / parts; i < values * (part + 1) / parts; i += kLane) {
      __builtin_prefetch(begin + i, 0, 2);
    }
  }
};

template <int W>
inline const Vector<W>& load(const float* p) {
  return *reinterpret_cast<const Vector<W>*>(p);
}
template <int W>
inline Vector<W>& at(float* p) {
  return *reinterpret_cast<Vector<W>*>(p);
}

// N x L pixels of x, `step` apart, from (top, left) on, transformed to M x K frequencies; pixels
// outside are zero. to(i, j): where a frequency's first lane lies; the next one is `lane` behind.
template <int W, int N, int M, int L, int K, class Transform, class To>
inline void transform_pixels(const float* x, const Image& s, int64_t top, int64_t left,
                             int64_t step, const float* zeros, const Transform& transform,
                             int64_t lane, const To& to) {
  using V = Vector<W>;
  const int64_t down = step * s.w * s.c, along = step * s.c;
  const float* origin = x + (top * s.w + left) * s.c;
  const auto lanes = [&](const auto& pixel) {
    for (int64_t c = 0; c < s.c; c += kLane) {
      for (int64_t k = 0; k < kLane; k += W) {
        both_ways<V, N, M, L, K>(
            [&](int i, int j) -> const V& { return load<W>(pixel(i, j) + c + k); }, transform,
            [&](int i, int j, const V& value) { at<W>(to(i, j) + c / kLane * lane + k) = value; });
      }
    }
  };
  if (top >= 0 && left >= 0 && top + step * (N - 1) < s.h && left + step * (L - 1) < s.w) {
    lanes([&](int i, int j) { return origin + i * down + j * along; });
    return;
  }
  const float* pixels[N][L];
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < L; ++j) {
      const int64_t row = top + i * step, column = left + j * step;
      const bool in = row >= 0 && row < s.h && column >= 0 && column < s.w;
      pixels[i][j] = in ? origin + i * down + j * along : zeros;
    }
  }
  lanes([&](int i, int j) { return pixels[i][j]; });
}

// The rows behind a group's last tile, which the products read.
template <int Stride>
void clear_rows(const Side<Stride>& side, const Group& g, float* v) {
  for (int f = 0; f < kFrequencies<Stride>; ++f) {
    for (int64_t c = 0; c < side.channels_at(f); c += kLane) {
      float* behind = v + side.offset(f, g.rows) + c * g.rows + g.size() * kLane;
      std::fill(behind, behind + (g.rows - g.size()) * kLane, 0.0F);
    }
  }
}

// x [n,h,w,c] to v, on the side of x. `zeros`: c zeros.
template <int W, int Stride>
void transform_x(const Group& g, const float* x, const Image& s, const float* zeros, float* v) {
  constexpr auto& kPhases = Scheme<Stride>::kPhases;
  using V = Vector<W>;
  const auto transform = []<size_t N>(const V(&in)[N], V(&out)[N]) { transform_input(in, out); };
  for (int64_t tile = g.begin; tile < g.end; ++tile) {
    const Place at(g.tiles, tile);
    const float* image = x + at.image * s.h * s.w * s.c;
    float* to = v + (tile - g.begin) * kLane;
    each_phase<Stride>([&](auto p, auto q) {
      constexpr Phase kDown = kPhases[p], kAlong = kPhases[q];
      transform_pixels<W, kDown.frequencies, kDown.frequencies, kAlong.frequencies,
                       kAlong.frequencies>(
          image, s, Stride * kOut * at.row + kDown.first, Stride * kOut * at.column + kAlong.first,
          Stride, zeros, transform, g.rows * kLane,
          [&](int i, int j) { return to + plane_offset<Stride, p, q>(i, j, s.c * g.rows); });
    });
  }
  clear_rows(Side<Stride>{s.c, true}, g, v);
}

// dy [n,h,w,c] to d, on the side of y. For the data gradient: the window that a tile of dx reads.
// For the weight gradient: the tile itself, by A.
enum class DyFor { Data, Weights };
template <int W, int Stride, DyFor kFor>
void transform_dy(const Group& g, const float* dy, const Image& s, const float* zeros, float* d) {
  constexpr int kSide = Scheme<Stride>::kSide;
  constexpr int kPixels = kFor == DyFor::Data ? kSide : kOut;
  constexpr int kFirst = kFor == DyFor::Data ? Scheme<Stride>::kDyFirst : 0;
  using V = Vector<W>;
  const auto transform = [](const V(&in)[kPixels], V(&out)[kSide]) {
    if constexpr (kFor == DyFor::Data) {
      transform_input(in, out);
    } else {
      transform_output_gradient(in, out);
    }
  };
  const int64_t stride = s.c * g.rows + kPad;
  for (int64_t tile = g.begin; tile < g.end; ++tile) {
    const Place at(g.tiles, tile);
    float* to = d + (tile - g.begin) * kLane;
    transform_pixels<W, kPixels, kSide, kPixels, kSide>(
        dy + at.image * s.h * s.w * s.c, s, kOut * at.row + kFirst, kOut * at.column + kFirst, 1,
        zeros, transform, g.rows * kLane,
        [&](int i, int j) { return to + (i * kSide + j) * stride; });
  }
  clear_rows(Side<Stride>{s.c, false}, g, d);
}

// Frequencies M x K to 4x4 pixels of y, `step` apart, from (top, left) on, but those outside.
// from(i, j): where a frequency's first lane lies; the next one is `lane` behind.
template <int W, int M, int K, class From>
inline void transform_back(const From& from, int64_t lane, float* y, const Image& s, int64_t top,
                           int64_t left, int64_t step, Write mode) {
  using V = Vector<W>;
  float* origin = y + (top * s.w + left) * s.c;
  const int64_t height = s.h - top, width = s.w - left, down = step * s.w * s.c, along = step * s.c;
  const bool add = mode == Write::Accumulate;
  for (int64_t c = 0; c < s.c; c += kLane) {
    for (int64_t k = 0; k < kLane; k += W) {
      both_ways<V, M, kOut, K, kOut>(
          [&](int i, int j) -> const V& { return load<W>(from(i, j) + c / kLane * lane + k); },
          []<size_t N>(const V(&in)[N], V(&out)[kOut]) { transform_output(in, out); },
          [&](int i, int j, const V& value) {
            if (i * step >= height || j * step >= width) return;
            V& to = at<W>(origin + i * down + j * along + c + k);
            to = add ? to + value : value;
          });
    }
  }
}

// m, on the side of y, to y [n,h,w,c].
template <int W, int Stride>
void transform_to_y(const Group& g, const float* m, float* y, const Image& s) {
  constexpr int kSide = Scheme<Stride>::kSide;
  const int64_t stride = s.c * g.rows + kPad;
  for (int64_t tile = g.begin; tile < g.end; ++tile) {
    const Place at(g.tiles, tile);
    const float* from = m + (tile - g.begin) * kLane;
    transform_back<W, kSide, kSide>([&](int i, int j) { return from + (i * kSide + j) * stride; },
                                    g.rows * kLane, y + at.image * s.h * s.w * s.c, s,
                                    kOut * at.row, kOut * at.column, 1, Write::Overwrite);
  }
}

// m, on the side of x, to dx [n,h,w,c].
template <int W, int Stride>
void transform_to_dx(const Group& g, const float* m, float* dx, const Image& s, Write mode) {
  constexpr auto& kPhases = Scheme<Stride>::kPhases;
  for (int64_t tile = g.begin; tile < g.end; ++tile) {
    const Place at(g.tiles, tile);
    const float* from = m + (tile - g.begin) * kLane;
    each_phase<Stride>([&](auto p, auto q) {
      constexpr Phase kDown = kPhases[p], kAlong = kPhases[q];
      transform_back<W, kDown.frequencies, kAlong.frequencies>(
          [&](int i, int j) { return from + plane_offset<Stride, p, q>(i, j, s.c * g.rows); },
          g.rows * kLane, dx + at.image * s.h * s.w * s.c, s,
          Stride * kOut * at.row + kDown.gradient_first,
          Stride * kOut * at.column + kAlong.gradient_first, Stride, mode);
    });
  }
}

}  // namespace basin::winograd
