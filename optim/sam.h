// Sharpness-aware minimisation (Foret et al. 2021): the gradient at w + eps moves w.
//   K = 1:  eps = rho g / (|g| + 1e-12), or rho g where not normalised.
//   K > 1:  from eps = 0, K times: eps <- P(eps + step rho G / (|G| + 1e-12)), G the gradient at
//           w + eps, P the projection on the ball of radius rho (understanding-sam, sam.py).
#pragma once

#include "optim/optimizer.h"

namespace basin {

class Sam final : public Optimizer {
 public:
  Sam(const Stream& stream, LayoutPtr layout, DType dtype, const OptimizerOptions& options);
  void step(Objective& objective, Arena& weights, const double* learning_rate) override;
  const Arena& gradient_perturbed() const override { return gradient_perturbed_; }
  void epsilon(Arena& out) const override;

 private:
  void projected_ascent(Objective& objective, const Arena& weights);
  bool single() const { return options_.sam_steps == 1 && options_.sam_step_size == 1; }

  Arena perturbed_;           // w + eps
  Arena gradient_perturbed_;  // the gradient there
  Arena epsilon_;             // of K-step SAM only
};

}  // namespace basin
