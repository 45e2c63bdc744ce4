// Gradient descent under random perturbations of the weights, with which the paper's figure 1
// compares SAM (understanding-sam, train.py: --add_weight_perturb_scale): each step takes its
// gradient at w + eps, eps = rho xi / sqrt(P), with fresh xi ~ N(0, I) over the P parameters, so
// that |eps| is about rho.
#pragma once

#include "optim/optimizer.h"

namespace basin {

class RandomPerturbation final : public Optimizer {
 public:
  RandomPerturbation(const Stream& stream, LayoutPtr layout, DType dtype,
                     const OptimizerOptions& options);
  const Arena& gradients(Objective& objective, const Arena& weights, StepTracks tracks) override;
  void epsilon(Arena& out) const override;
  // xi is a function of the seed and k.
  void start_at(int64_t k) override;

 private:
  double scale_;  // rho / sqrt(P)
  Arena noise_, point_;
  Buffer step_;  // float64, in device memory: the step's number, and 1
};

}  // namespace basin
