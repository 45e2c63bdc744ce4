#include "optim/random_perturbation.h"

#include <cmath>

#include "engine/direction.h"
#include "kernels/elementwise.h"

namespace basin {

RandomPerturbation::RandomPerturbation(const Stream& stream, LayoutPtr layout, DType dtype,
                                       const OptimizerOptions& options)
    : Optimizer(stream, layout, dtype, options),
      scale_(options.rho / std::sqrt(static_cast<double>(layout->count()))),
      noise_(stream, layout, dtype),
      point_(stream, layout, dtype),
      step_(stream, 2 * int64_t{sizeof(double)}) {
  start_at(0);
}

void RandomPerturbation::start_at(int64_t k) {
  const double values[] = {static_cast<double>(k), 1};
  copy_to_device(stream_, step_.data(), values, step_.bytes());
}

const Arena& RandomPerturbation::gradients(Objective& objective, const Arena& weights,
                                           StepTracks tracks) {
  if (!ascends_) {
    objective.differentiate(weights, gradient_, tracks.first);
    return gradient_;
  }
  auto* step = reinterpret_cast<double*>(step_.data());
  random_direction(stream_, noise_, options_.seed, Purpose::Perturb, 0, step);
  map<double>(stream_, Add<double>{}, 1, {step, step + 1}, {step});
  dispatch(weights.dtype(), [&]<class T>(T) {
    map<T>(stream_, AddScaled<T>{static_cast<T>(scale_)}, weights.size(),
           {weights.as<T>(), noise_.as<T>()}, {point_.as<T>()});
  });
  objective.differentiate(point_, gradient_, tracks.first);
  return gradient_;
}

void RandomPerturbation::epsilon(Arena& out) const {
  dispatch(out.dtype(), [&]<class T>(T) {
    map<T>(stream_, Scale<T>{static_cast<T>(scale_)}, out.size(), {noise_.as<T>()}, {out.as<T>()});
  });
}

}  // namespace basin
