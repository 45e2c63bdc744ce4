#include "optim/sam.h"

#include <algorithm>

#include "kernels/elementwise.h"

namespace basin {

Sam::Sam(const Stream& stream, LayoutPtr layout, DType dtype, const OptimizerOptions& options)
    : Optimizer(stream, layout, dtype, options),
      perturbed_(stream, layout, dtype),
      gradient_perturbed_(stream, layout, dtype) {
  if (!single()) epsilon_ = Arena(stream, layout, dtype);
}

void Sam::step(Objective& objective, Arena& weights, const double* learning_rate) {
  const auto track = [&](bool yes) { return yes ? Track::Yes : Track::No; };
  objective.differentiate(weights, gradient_, track(options_.statistics != StatisticsFrom::Frozen));
  norm(gradient_, kGradientNorm);
  if (single()) {
    dispatch(weights.dtype(), [&]<class T>(T) {
      map<T>(stream_, SamAscent<T>{scalar(kGradientNorm), scalar(kRho), options_.normalise},
             weights.size(), {weights.as<T>(), gradient_.as<T>()}, {perturbed_.as<T>()});
    });
  } else {
    projected_ascent(objective, weights);
  }
  objective.differentiate(perturbed_, gradient_perturbed_,
                          track(options_.statistics == StatisticsFrom::Both));
  descend(gradient_perturbed_, weights, learning_rate);
}

void Sam::projected_ascent(Objective& objective, const Arena& weights) {
  zero(stream_, epsilon_.data(), epsilon_.size() * dtype_size(epsilon_.dtype()));
  for (int k = 0; k < options_.sam_steps; ++k) {
    const Arena* gradient = &gradient_;
    if (k > 0) {
      objective.differentiate(perturbed_, gradient_perturbed_, Track::No);
      norm(gradient_perturbed_, kGradientNorm);
      gradient = &gradient_perturbed_;
    }
    dispatch(weights.dtype(), [&]<class T>(T) {
      T* eps = epsilon_.as<T>();
      map<T>(stream_,
             EpsilonStep<T>{scalar(kGradientNorm), scalar(kRho), options_.normalise,
                            options_.sam_step_size},
             weights.size(), {eps, gradient->as<T>()}, {eps});
      norm(epsilon_, kEpsilonNorm);
      map<T>(stream_, ProjectedPoint<T>{scalar(kEpsilonNorm), scalar(kRho)}, weights.size(),
             {eps, weights.as<T>()}, {eps, perturbed_.as<T>()});
    });
  }
}

// The ascent kernel writes w + eps only; eps itself is made again for those who look at it.
void Sam::epsilon(Arena& out) const {
  if (!single()) return out.copy_from(stream_, epsilon_);
  dispatch(out.dtype(), [&]<class T>(T) {
    zero(stream_, out.data(), out.size() * int64_t{sizeof(T)});
    map<T>(stream_, SamAscent<T>{scalar(kGradientNorm), scalar(kRho), options_.normalise},
           out.size(), {out.as<T>(), gradient_.as<T>()}, {out.as<T>()});
  });
}

}  // namespace basin
