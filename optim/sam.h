// Sharpness-aware minimisation (Foret et al. 2021): the gradient at w + eps moves w.
//   K = 1:  eps = rho g / (|g| + 1e-12), or rho g where not normalised.
//   K > 1:  from eps = 0, K times: eps <- P(eps + step rho G / (|G| + 1e-12)), G the gradient at
//           w + eps, P the projection on the ball of radius rho (understanding-sam, sam.py).
#pragma once

#include "optim/optimizer.h"

namespace basin {

class Sam final : public Optimizer, public Ascent {
 public:
  Sam(const Stream& stream, LayoutPtr layout, DType dtype, const OptimizerOptions& options);
  // With several groups of examples (m-SAM) gradient() and epsilon() are not written.
  const Arena& gradients(Objective& objective, const Arena& weights, StepTracks tracks) override;
  const Arena& gradient_perturbed() const override { return gradient_perturbed_; }
  void epsilon(Arena& out) const override { epsilon(stream_, gradient_, space_, out); }

  KeepEpsilon keeps_epsilon() const override {
    return single() ? KeepEpsilon::No : KeepEpsilon::Yes;
  }
  int moves() const override { return options_.sam_steps; }
  // On a CPU a group's gradient that is not finite is an Error(Run) that names group and parameter.
  void move(const Stream& stream, int k, const Arena& weights, const Arena& gradient,
            AscentSpace& space) const override;
  // out = eps of each group, after its last move, `gradient` being those of the first.
  void epsilon(const Stream& stream, const Arena& gradient, const AscentSpace& space,
               Arena& out) const override;

 private:
  bool single() const { return options_.sam_steps == 1 && options_.sam_step_size == 1; }

  AscentSpace space_;         // of the whole batch
  Arena gradient_perturbed_;  // the gradient at w + eps
};

}  // namespace basin
