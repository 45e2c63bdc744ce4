// What a study of the loss around w moves by: points on lines and planes, random directions and
// their filters' norms, and the ascent in the geometry of ASAM.
#pragma once

#include <cmath>

#include "kernels/map.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/sam.h"

namespace basin {

// x, y -> a x + b y: a point of the line through x and y, exactly x for (1, 0).
template <class T>
struct Combination {
  static constexpr int reads = 2, writes = 1, flops = 3;
  T a, b;
  BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const { out[0] = a * in[0] + b * in[1]; }
};

// w, x, y -> w + a x + b y: a point of a plane through w.
template <class T>
struct PlanePoint {
  static constexpr int reads = 3, writes = 1, flops = 4;
  T a, b;
  BASIN_HD void operator()(const T (&in)[3], T (&out)[1]) const {
    out[0] = in[0] + a * in[1] + b * in[2];
  }
};

// Adaptive sharpness (Kwon et al. 2021) with T = |w| on every parameter: in u = T^-1 delta the ball
// is round. w, g -> |w| g: the gradient with respect to u.
template <class T>
struct AdaptiveGradient {
  static constexpr int reads = 2, writes = 1, flops = 1;
  BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const {
    using std::abs;
    out[0] = abs(in[0]) * in[1];
  }
};

// u, w -> u', w + |w| u' with u' = u min(1, rho / |u|): ProjectedPoint (sam.h) in that geometry.
template <class T>
struct AdaptivePoint {
  static constexpr int reads = 2, writes = 2, flops = 3;
  struct Bound {
    static constexpr int reads = 2, writes = 2, flops = 3;
    T shrink;
    BASIN_HD void operator()(const T (&in)[2], T (&out)[2]) const {
      using std::abs;
      out[0] = shrink * in[0];
      out[1] = in[1] + abs(in[1]) * out[0];
    }
  };
  const double* squared_norm;  // |u|^2, in device memory
  const double* rho;
  BASIN_HD Bound load() const { return {ProjectedPoint<T>{squared_norm, rho}.load().shrink}; }
};

// Which random numbers: the stream (seed, purpose, lane) of random.h, from index `first` on.
struct NormalNumbers {
  uint64_t seed;
  Purpose purpose;
  uint32_t lane;
  uint64_t first;
  const double* step = nullptr;  // in device memory: so many lanes further; null: none
  BASIN_HD double at(int64_t i) const {
    const uint32_t on = step == nullptr ? 0 : static_cast<uint32_t>(*step);
    return normal(philox_at(seed, purpose, lane + on, first + static_cast<uint64_t>(i)));
  }
};

template <class T>
constexpr Cost fill_normal_cost(int64_t n) {
  return {0, n * int64_t{sizeof(T)}, 0};
}

// out[i] = numbers.at(i), N(0, 1).  out: [n].
template <class T>
void fill_normal(const Stream& stream, const NormalNumbers& numbers, int64_t n, T* out);

// A filter's two norms, and the product with their ratio.
template <class T>
constexpr Cost filter_normalise_cost(int64_t filters, int64_t size) {
  const int64_t n = filters * size;
  return {3 * n * int64_t{sizeof(T)}, n * int64_t{sizeof(T)}, (2 * SquareTerm::flops + 1) * n};
}

// Filter normalisation (Li et al. 2018, "Visualizing the loss landscape of neural nets"):
// d[f] *= |w[f]| / (|d[f]| + 1e-12), the norms in float64.  w, d: [filters, size].
template <class T>
void filter_normalise(const Stream& stream, int64_t filters, int64_t size, const T* w, T* d);

namespace cuda {
template <class T>
void fill_normal(const Stream& stream, const NormalNumbers& numbers, int64_t n, T* out);
template <class T>
void filter_normalise(const Stream& stream, int64_t filters, int64_t size, const T* w, T* d);
}  // namespace cuda

}  // namespace basin

// The list that landscape.cpp and landscape.cu instantiate, for each T.
#define BASIN_LANDSCAPE_FUNCTORS(INSTANTIATE, T) \
  INSTANTIATE(T, Combination<T>)                 \
  INSTANTIATE(T, PlanePoint<T>)                  \
  INSTANTIATE(T, AdaptiveGradient<T>)            \
  INSTANTIATE(T, AdaptivePoint<T>)
