// Sharpness-aware minimisation (Foret et al. 2021): the ascent to w + eps, element by element.
// rho and the gradient's squared norm are read from device memory, so that a captured step
// outlives a schedule.
#pragma once

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
  const double* squared_norm;  // |g|^2
  const double* rho;
  Normalise normalise;
  BASIN_HD Bound load() const;
};

// K-step SAM (understanding-sam, deep_nets/sam.py): eps, g -> eps + s g.
template <class T>
struct EpsilonStep;
// Projection on the ball of radius rho, and the point itself:
// eps, w -> eps * min(1, rho / |eps|), w + that.
template <class T>
struct ProjectedPoint;

}  // namespace basin
