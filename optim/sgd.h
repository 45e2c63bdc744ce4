// Stochastic gradient descent: one gradient, one descent.
#pragma once

#include "optim/optimizer.h"

namespace basin {

class Sgd final : public Optimizer {
 public:
  Sgd(const Stream& stream, LayoutPtr layout, DType dtype, const OptimizerOptions& options);
  const Arena& gradients(Objective& objective, const Arena& weights, StepTracks tracks) override;
  void epsilon(Arena& out) const override;
};

}  // namespace basin
