#include "optim/optimizer.h"

#include <cmath>

#include "optim/random_perturbation.h"
#include "optim/sam.h"
#include "optim/sgd.h"

namespace basin {

Optimizer::Optimizer(const Stream& stream, LayoutPtr layout, DType dtype,
                     const OptimizerOptions& options)
    : stream_(stream),
      options_(options),
      gradient_(stream, layout, dtype),
      velocity_(stream, layout, dtype),
      rho_(stream, sizeof(double)) {
  copy_to_device(stream, rho_.data(), &options.rho, sizeof(double));
}

void Optimizer::step(Objective& objective, Arena& weights, const double* learning_rate) {
  const auto track = [](bool yes) { return yes ? Track::Yes : Track::No; };
  const StepTracks tracks{track(options_.statistics != StatisticsFrom::Frozen),
                          track(options_.statistics == StatisticsFrom::Both)};
  descend(gradients(objective, weights, tracks), weights, learning_rate);
}

void Optimizer::descend(const Arena& gradient, Arena& weights, const double* lr) {
  const DescentOptions& o = options_.descent;
  dispatch(weights.dtype(), [&]<class T>(T) {
    T* w = weights.as<T>();
    T* v = velocity_.as<T>();
    const T* g = gradient.as<T>();
    const auto decay = static_cast<T>(o.decay);
    if (o.momentum == 0) {
      map<T>(stream_, PlainDescent<T>{lr, decay}, weights.size(), {w, g}, {w});
    } else {
      map<T>(stream_, MomentumDescent<T>{lr, static_cast<T>(o.momentum), decay, o.nesterov, o.form},
             weights.size(), {w, g, v}, {w, v});
    }
  });
}

std::unique_ptr<Optimizer> make_optimizer(const Stream& stream, LayoutPtr layout, DType dtype,
                                          const OptimizerOptions& o) {
  const auto not_negative = [](const char* option, double value) {
    BASIN_CHECK(std::isfinite(value) && value >= 0, option, "found {}, expected a number >= 0",
                value);
  };
  not_negative("--momentum", o.descent.momentum);
  not_negative("--weight-decay", o.descent.decay);
  if (o.name == "sgd") return std::make_unique<Sgd>(stream, layout, dtype, o);
  if (o.name == "sam") {
    not_negative("--rho", o.rho);
    not_negative("--sam-step-size", o.sam_step_size);
    BASIN_CHECK(o.sam_steps >= 1, "--sam-steps", "found {}, expected at least 1", o.sam_steps);
    return std::make_unique<Sam>(stream, layout, dtype, o);
  }
  if (o.name == "random") {
    not_negative("--rho", o.rho);
    return std::make_unique<RandomPerturbation>(stream, layout, dtype, o);
  }
  fail("--optimizer", "found '{}', expected sgd, sam or random", o.name);
}

}  // namespace basin
