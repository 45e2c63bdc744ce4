// Sharpness-aware minimisation (Foret et al. 2021): the ascent to w + eps, element by element.
// rho and the gradient's squared norm are read from device memory, so that a captured step
// outlives a schedule.
#pragma once

#include <cmath>

#include "kernels/map.h"

namespace basin {

inline constexpr double kNormGuard = 1e-12;  // the paper's code: rho * g / (|g| + 1e-12)

enum class Normalise { Yes, No };

// w, g -> w + s g with s = rho / (|g| + 1e-12), or s = rho where not normalised.
template <class T>
struct SamAscent {
  static constexpr int reads = 2, writes = 1, flops = 2;
  struct Bound {
    static constexpr int reads = 2, writes = 1, flops = 2;
    T s;
    BASIN_HD void operator()(const T (&in)[2], T (&out)[1]) const { out[0] = in[0] + s * in[1]; }
  };
  const double* squared_norm;  // |g|^2; not read where not normalised
  const double* rho;
  Normalise normalise;
  BASIN_HD Bound load() const {
    using std::sqrt;
    const double s = normalise == Normalise::Yes ? *rho / (sqrt(*squared_norm) + kNormGuard) : *rho;
    return {static_cast<T>(s)};
  }
};

// K-step SAM (understanding-sam, deep_nets/sam.py): eps, g -> eps + step s g, with s as above and
// step the part of rho that one step goes (sam_step_size_mult).
template <class T>
struct EpsilonStep {
  static constexpr int reads = 2, writes = 1, flops = 2;
  using Bound = typename SamAscent<T>::Bound;
  const double* squared_norm;  // |g|^2 at w + eps; not read where not normalised
  const double* rho;
  Normalise normalise;
  double step;
  BASIN_HD Bound load() const {
    using std::sqrt;
    const double s = normalise == Normalise::Yes ? *rho / (sqrt(*squared_norm) + kNormGuard) : *rho;
    return {static_cast<T>(step * s)};
  }
};

// eps, w -> eps', w + eps' with eps' = eps min(1, rho / |eps|): projection on the ball of radius
// rho, and the point itself.
template <class T>
struct ProjectedPoint {
  static constexpr int reads = 2, writes = 2, flops = 2;
  struct Bound {
    static constexpr int reads = 2, writes = 2, flops = 2;
    T shrink;
    BASIN_HD void operator()(const T (&in)[2], T (&out)[2]) const {
      out[0] = shrink * in[0];
      out[1] = in[1] + out[0];
    }
  };
  const double* squared_norm;  // |eps|^2
  const double* rho;
  BASIN_HD Bound load() const {
    using std::sqrt;
    const double norm = sqrt(*squared_norm);
    // A norm that is NaN fails the comparison, and reaches every element.
    return {norm <= *rho ? T(1) : static_cast<T>(*rho / norm)};
  }
};

}  // namespace basin

// The list that sam.cpp and sam.cu instantiate, for each T.
#define BASIN_SAM_FUNCTORS(INSTANTIATE, T) \
  INSTANTIATE(T, SamAscent<T>)             \
  INSTANTIATE(T, EpsilonStep<T>)           \
  INSTANTIATE(T, ProjectedPoint<T>)
