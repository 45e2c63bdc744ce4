#include "optim/sam.h"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/ghost.h"
#include "kernels/reduce.h"
#include "kernels/sam_groups.h"

namespace basin {
namespace {

double* squared_norm_of(const AscentSpace& space, int64_t group) {
  return reinterpret_cast<double*>(space.squared_norms.data()) + group;
}

// A gradient that is not finite would make a point of it, and a whole batch's gradient.
void check_finite(const Arena& gradient, const AscentSpace& space) {
  const auto fail_at = [&](int64_t g, double bad, const std::string& parameter) {
    fail_run("sam", "group {}: found {} in the gradient of '{}', expected finite numbers",
             space.first_group + g, bad, parameter);
  };
  const auto* ghosts = reinterpret_cast<const double*>(space.ghosts.squared_norms.data());
  for (int64_t g = 0; g < gradient.groups(); ++g) {
    if (std::isfinite(*squared_norm_of(space, g))) continue;
    for (const LayoutEntry& entry : gradient.layout()->entries()) {
      dispatch(gradient.dtype(), [&]<class T>(T) {
        const T* values = gradient.as<T>(g) + entry.offset;
        const T* bad = std::find_if(values, values + entry.size,
                                    [](T value) { return !std::isfinite(value); });
        if (bad == values + entry.size) return;
        fail_at(g, *bad, entry.name);
      });
    }
    for (int64_t k = 0; k < space.ghosts.rows(); ++k) {
      const double norm = ghosts[k * gradient.groups() + g];
      if (!std::isfinite(norm)) fail_at(g, norm, space.ghosts.parameters[k]);
    }
  }
}

}  // namespace

Sam::Sam(const Stream& stream, LayoutPtr layout, DType dtype, const OptimizerOptions& options)
    : Optimizer(stream, layout, dtype, options),
      space_(stream, layout, dtype, 1, Sam::keeps_epsilon()),
      gradient_perturbed_(stream, layout, dtype) {}

const Arena& Sam::gradients(Objective& objective, const Arena& weights, StepTracks tracks) {
  if (!ascends_) {
    objective.differentiate(weights, gradient_perturbed_, tracks.first);
    return gradient_perturbed_;
  }
  if (objective.groups() > 1) {
    objective.differentiate_perturbed(weights, *this, gradient_perturbed_, tracks);
    return gradient_perturbed_;
  }
  objective.differentiate_ascent(weights, gradient_, tracks.first);
  move(stream_, 0, weights, gradient_, space_);
  for (int k = 1; k < moves(); ++k) {
    objective.differentiate_ascent(space_.point, gradient_perturbed_, Track::No);
    move(stream_, k, weights, gradient_perturbed_, space_);
  }
  objective.differentiate(space_.point, gradient_perturbed_, tracks.last);
  return gradient_perturbed_;
}

void Sam::move(const Stream& stream, int k, const Arena& weights, const Arena& gradient,
               AscentSpace& space) const {
  const int64_t count = gradient.groups(), n = weights.size();
  const ParameterGroups groups{.count = count, .stride = n};
  auto* partials = reinterpret_cast<double*>(space.partials.data());
  double *norms = squared_norm_of(space, 0), *eps_norms = squared_norm_of(space, count);
  dispatch(weights.dtype(), [&]<class T>(T) {
    squared_norms(stream, groups, n, gradient.as<T>(), partials, norms);
    if (Ghosts& ghosts = space.ghosts; ghosts.rows() > 0) {
      ghost_scales(stream, count, ghosts.rows(),
                   reinterpret_cast<const double*>(ghosts.squared_norms.data()), rho(),
                   options_.normalise, norms, reinterpret_cast<double*>(ghosts.scales.data()));
    }
    if (!stream.is_cuda() && space.first_group >= 0) check_finite(gradient, space);
    if (single()) {
      return sam_ascent_groups(stream, groups, n, weights.as<T>(), gradient.as<T>(), norms, rho(),
                               options_.normalise, space.point.as<T>());
    }
    T* eps = space.epsilon.as<T>();
    if (k == 0) zero(stream, eps, space.epsilon.bytes());
    for (int64_t g = 0; g < count; ++g) {
      T* own = space.epsilon.as<T>(g);
      map<T>(stream, EpsilonStep<T>{norms + g, rho(), options_.normalise, options_.sam_step_size},
             n, {own, gradient.as<T>(g)}, {own});
    }
    squared_norms(stream, groups, n, eps, partials, eps_norms);
    for (int64_t g = 0; g < count; ++g) {
      T* own = space.epsilon.as<T>(g);
      map<T>(stream, ProjectedPoint<T>{eps_norms + g, rho()}, n, {own, weights.as<T>()},
             {own, space.point.as<T>(g)});
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
      map<T>(stream, SamAscent<T>{squared_norm_of(space, g), rho(), options_.normalise}, out.size(),
             {out.as<T>(g), gradient.as<T>(g)}, {out.as<T>(g)});
    }
  });
}

}  // namespace basin
