#include "optim/ball.h"

#include "engine/direction.h"
#include "kernels/landscape.h"

namespace basin {

Ball::Ball(const Stream& stream, const Arena& weights, Geometry geometry)
    : stream_(stream),
      weights_(weights),
      geometry_(geometry),
      u_(weights.sibling(stream)),
      point_(weights.sibling(stream)),
      scratch_(weights.sibling(stream)),
      scalars_(stream, 2 * int64_t{sizeof(double)}),
      partials_(stream, reduce_partials(weights.size()) * int64_t{sizeof(double)}) {}

void Ball::to_centre(double rho) {
  copy_to_device(stream_, scalars_.data() + sizeof(double), &rho, sizeof(rho));
  zero(stream_, u_.data(), u_.size() * dtype_size(u_.dtype()));
  point_.copy_from(stream_, weights_);
}

void Ball::to_sphere(uint64_t seed, Purpose purpose, uint32_t lane) {
  random_direction(stream_, scratch_, seed, purpose, lane);
  zero(stream_, u_.data(), u_.size() * dtype_size(u_.dtype()));
  move(scratch_, 1);
}

void Ball::ascend(const Arena& gradient, double step) {
  if (geometry_ == Geometry::Plain) return move(gradient, step);
  dispatch(weights_.dtype(), [&]<class T>(T) {
    map<T>(stream_, AdaptiveGradient<T>{}, weights_.size(), {weights_.as<T>(), gradient.as<T>()},
           {scratch_.as<T>()});
  });
  move(scratch_, step);
}

// u <- P(u + step rho d / (|d| + 1e-12)), and its point.
void Ball::move(const Arena& direction, double step) {
  auto* squares = reinterpret_cast<double*>(scalars_.data());
  auto* partials = reinterpret_cast<double*>(partials_.data());
  const double* rho = squares + 1;
  dispatch(weights_.dtype(), [&]<class T>(T) {
    const int64_t n = weights_.size();
    T *u = u_.as<T>(), *point = point_.as<T>();
    squared_norm(stream_, n, direction.as<T>(), partials, squares);
    map<T>(stream_, EpsilonStep<T>{squares, rho, Normalise::Yes, step}, n, {u, direction.as<T>()},
           {u});
    squared_norm(stream_, n, u, partials, squares);
    if (geometry_ == Geometry::Plain) {
      map<T>(stream_, ProjectedPoint<T>{squares, rho}, n, {u, weights_.as<T>()}, {u, point});
    } else {
      map<T>(stream_, AdaptivePoint<T>{squares, rho}, n, {u, weights_.as<T>()}, {u, point});
    }
  });
}

}  // namespace basin
