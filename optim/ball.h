// The points around w that sharpness is about, and how an ascent moves among them.
//   Plain:     |delta|_2 <= rho
//   Adaptive:  |T^-1 delta|_2 <= rho with T = |w| on every parameter (ASAM's geometry, Kwon et al.
//              2021, as davda54/sam has it): delta = T u, and the ball of u is round.
#pragma once

#include "engine/arena.h"
#include "kernels/random.h"

namespace basin {

enum class Geometry { Plain, Adaptive };

class Ball {
 public:
  // Around `weights`, which outlive it and are only read.
  Ball(const Stream& stream, const Arena& weights, Geometry geometry);

  // Each of these leaves point() at w + delta.
  void to_centre(double rho);  // rho: the radius from here on
  // u uniform on the sphere: normal numbers of the stream (seed, purpose, lane), scaled.
  void to_sphere(uint64_t seed, Purpose purpose, uint32_t lane);
  // u <- P(u + step rho G / (|G| + 1e-12)), G the gradient with respect to u, P the projection on
  // the ball; `gradient` is that with respect to delta, at point().
  void ascend(const Arena& gradient, double step);

  const Arena& point() const { return point_; }
  const Arena& displacement() const { return u_; }

 private:
  void move(const Arena& direction, double step);

  Stream stream_;
  const Arena& weights_;
  Geometry geometry_;
  Arena u_, point_, scratch_;
  Buffer scalars_, partials_;  // |.|^2 and rho, in device memory
};

}  // namespace basin
