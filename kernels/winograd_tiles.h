// The tiles of Winograd's convolution: from an image batch to transformed memory, and back.
#pragma once

#include <algorithm>

#include "kernels/stream.h"
#include "kernels/winograd_product.h"
#include "kernels/winograd_transforms.h"

namespace basin::winograd {

// Frequencies a power of two apart would fall on the same lines of a cache: a lane lies between.
inline constexpr int64_t kPad = kLane;
// Where the tiles of an image batch lie: tile (row, column) of an image begins at kOut * (row,
// column), and images follow each other.
struct Tiles {
  int64_t n, h, w;
  int64_t rows() const { return ceil_div<int64_t>(h, kOut); }
  int64_t columns() const { return ceil_div<int64_t>(w, kOut); }
  int64_t count() const { return n * rows() * columns(); }
};

// One tile's place.
struct Place {
  int64_t image, top, left;  // in pixels
  Place(const Tiles& t, int64_t tile)
      : image(tile / (t.rows() * t.columns())),
        top(tile / t.columns() % t.rows() * kOut),
        left(tile % t.columns() * kOut) {}
};

// Transformed tiles [frequency][lane][tile][16] of `group` tiles, or as many weights.
inline int64_t frequency_stride(int64_t channels, int64_t rows) {
  return channels * rows + kPad;
}

template <int W>
inline const Vector<W>& load(const float* p) {
  return *reinterpret_cast<const Vector<W>*>(p);
}
template <int W>
inline Vector<W>& at(float* p) {
  return *reinterpret_cast<Vector<W>*>(p);
}

// Tiles [begin, end) of x [n,h,w,c], N x N pixels each from `border` pixels above and left of their
// place, transformed to v [36][c/16][rows][16]; pixels outside are zero, and so are the rows behind
// the last tile. `zeros`: c zeros.
template <int W, int N, class Transform>
void transform_tiles(const Tiles& tiles, const float* x, int64_t c, int64_t begin, int64_t end,
                     int64_t rows, int border, const float* zeros, float* v,
                     const Transform& transform) {
  using V = Vector<W>;
  const int64_t stride = frequency_stride(c, rows);
  for (int64_t tile = begin; tile < end; ++tile) {
    const Place place(tiles, tile);
    const int64_t top = place.top - border, left = place.left - border;
    const int64_t row = tiles.w * c;
    const float* origin = x + (place.image * tiles.h + top) * row + left * c;
    const bool inside = top >= 0 && left >= 0 && top + N <= tiles.h && left + N <= tiles.w;
    float* to = v + (tile - begin) * kLane;
    const auto lanes = [&](const auto& pixel) {
      for (int64_t lane = 0; lane < c; lane += kLane) {
        for (int64_t k = lane; k < lane + kLane; k += W) {
          float* out = to + lane * rows + (k - lane);
          both_ways<V, N, kIn>(
              [&](int i, int j) -> const V& { return load<W>(pixel(i, j) + k); }, transform,
              [&](int i, int j, const V& value) { at<W>(out + (i * kIn + j) * stride) = value; });
        }
      }
    };
    if (inside) {
      lanes([&](int i, int j) { return origin + i * row + j * c; });
    } else {
      const float* pixels[N][N];
      for (int i = 0; i < N; ++i) {
        for (int j = 0; j < N; ++j) {
          const bool in = top + i >= 0 && top + i < tiles.h && left + j >= 0 && left + j < tiles.w;
          pixels[i][j] = in ? origin + i * row + j * c : zeros;
        }
      }
      lanes([&](int i, int j) { return pixels[i][j]; });
    }
  }
  for (int f = 0; f < kFrequencies; ++f) {
    for (int64_t lane = 0; lane < c; lane += kLane) {
      float* behind = v + f * stride + lane * rows + (end - begin) * kLane;
      std::fill(behind, behind + (rows - (end - begin)) * kLane, 0.0F);
    }
  }
}

template <int W>
void transform_x(const Tiles& tiles, const float* x, int64_t c, int64_t begin, int64_t end,
                 int64_t rows, const float* zeros, float* v) {
  using V = Vector<W>;
  transform_tiles<W, kIn>(tiles, x, c, begin, end, rows, 1, zeros, v,
                          [](const V(&in)[kIn], V(&out)[kIn]) { transform_input(in, out); });
}
template <int W>
void transform_dy(const Tiles& tiles, const float* dy, int64_t c, int64_t begin, int64_t end,
                  int64_t rows, const float* zeros, float* d) {
  using V = Vector<W>;
  transform_tiles<W, kOut>(
      tiles, dy, c, begin, end, rows, 0, zeros, d,
      [](const V(&in)[kOut], V(&out)[kIn]) { transform_output_gradient(in, out); });
}

// m [36][c/16][rows][16] back to the tiles [begin, end) of y [n,h,w,c].
template <int W>
void transform_back(const Tiles& tiles, const float* m, int64_t c, int64_t begin, int64_t end,
                    int64_t rows, float* y, Write mode) {
  using V = Vector<W>;
  const int64_t stride = frequency_stride(c, rows);
  const bool add = mode == Write::Accumulate;
  for (int64_t tile = begin; tile < end; ++tile) {
    const Place place(tiles, tile);
    float* origin = y + ((place.image * tiles.h + place.top) * tiles.w + place.left) * c;
    const int64_t height = tiles.h - place.top, width = tiles.w - place.left;
    for (int64_t lane = 0; lane < c; lane += kLane) {
      for (int64_t k = lane; k < lane + kLane; k += W) {
        const float* from = m + (tile - begin) * kLane + lane * rows + (k - lane);
        both_ways<V, kIn, kOut>(
            [&](int i, int j) -> const V& { return load<W>(from + (i * kIn + j) * stride); },
            [](const V(&in)[kIn], V(&out)[kOut]) { transform_output(in, out); },
            [&](int i, int j, const V& value) {
              if (i >= height || j >= width) return;
              V& to = at<W>(origin + (i * tiles.w + j) * c + k);
              to = add ? to + value : value;
            });
      }
    }
  }
}

}  // namespace basin::winograd
