#include "optim/sam.h"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace basin {
namespace {

double* squared_norm_of(const AscentSpace& space, int64_t group) {
  return reinterpret_cast<double*>(space.squared_norms.data()) + group;
}

// A gradient that is not finite would make a point of it, and a whole batch's gradient.
void check_finite(const Arena& gradient, const AscentSpace& space) {
  for (int64_t g = 0; g < gradient.groups(); ++g) {
    if (std::isfinite(*squared_norm_of(space, g))) continue;
    for (const LayoutEntry& entry : gradient.layout()->entries()) {
      dispatch(gradient.dtype(), [&]<class T>(T) {
        const T* values = gradient.as<T>(g) + entry.offset;
        const T* bad = std::find_if(values, values + entry.size,
                                    [](T value) { return !std::isfinite(value); });
        if (bad == values + entry.size) return;
        fail_run("sam", "group {}: found {} in the gradient of '{}', expected finite numbers",
                 space.first_group + g, *bad, entry.name);
      });
    }
  }
}

}  // namespace

Sam::Sam(const Stream& stream, LayoutPtr layout, DType dtype, const OptimizerOptions& options)
    : Optimizer(stream, layout, dtype, options),
      space_(stream, layout, dtype, 1, Sam::keeps_epsilon()),
      gradient_perturbed_(stream, layout, dtype) {}

void Sam::step(Objective& objective, Arena& weights, const double* learning_rate) {
  const auto track = [](bool yes) { return yes ? Track::Yes : Track::No; };
  const StepTracks tracks{track(options_.statistics != StatisticsFrom::Frozen),
                          track(options_.statistics == StatisticsFrom::Both)};
  if (objective.groups() > 1) {
    objective.differentiate_perturbed(weights, *this, gradient_perturbed_, tracks);
  } else {
    objective.differentiate(weights, gradient_, tracks.first);
    move(stream_, 0, weights, gradient_, space_);
    for (int k = 1; k < moves(); ++k) {
      objective.differentiate(space_.point, gradient_perturbed_, Track::No);
      move(stream_, k, weights, gradient_perturbed_, space_);
    }
    objective.differentiate(space_.point, gradient_perturbed_, tracks.last);
  }
  descend(gradient_perturbed_, weights, learning_rate);
}

void Sam::move(const Stream& stream, int k, const Arena& weights, const Arena& gradient,
               AscentSpace& space) const {
  const int64_t groups = gradient.groups(), n = weights.size();
  auto* partials = reinterpret_cast<double*>(space.partials.data());
  dispatch(weights.dtype(), [&]<class T>(T) {
    for (int64_t g = 0; g < groups; ++g) {
      squared_norm(stream, n, gradient.as<T>(g), partials, squared_norm_of(space, g));
    }
    if (!stream.is_cuda() && space.first_group >= 0) check_finite(gradient, space);
    for (int64_t g = 0; g < groups; ++g) {
      const double* norm = squared_norm_of(space, g);
      if (single()) {
        map<T>(stream, SamAscent<T>{norm, rho(), options_.normalise}, n,
               {weights.as<T>(), gradient.as<T>(g)}, {space.point.as<T>(g)});
        continue;
      }
      T* eps = space.epsilon.as<T>(g);
      if (k == 0) zero(stream, eps, n * int64_t{sizeof(T)});
      map<T>(stream,
             EpsilonStep<T>{norm, rho(), options_.normalise, options_.sam_step_size}, n,
             {eps, gradient.as<T>(g)}, {eps});
      double* eps_norm = squared_norm_of(space, groups + g);
      squared_norm(stream, n, eps, partials, eps_norm);
      map<T>(stream, ProjectedPoint<T>{eps_norm, rho()}, n, {eps, weights.as<T>()},
             {eps, space.point.as<T>(g)});
    }
  });
}

// A single ascent writes w + eps only; eps itself is made again for those who look at it.
void Sam::epsilon(const Stream& stream, const Arena& gradient, const AscentSpace& space,
                  Arena& out) const {
  if (!single()) return out.copy_from(stream, space.epsilon);
  zero(stream, out.data(), out.bytes());
  dispatch(out.dtype(), [&]<class T>(T) {
    for (int64_t g = 0; g < out.groups(); ++g) {
      map<T>(stream, SamAscent<T>{squared_norm_of(space, g), rho(), options_.normalise},
             out.size(), {out.as<T>(g), gradient.as<T>(g)}, {out.as<T>(g)});
    }
  });
}

}  // namespace basin
