#include "optim/sgd.h"

namespace basin {

Sgd::Sgd(const Stream& stream, LayoutPtr layout, DType dtype, const OptimizerOptions& options)
    : Optimizer(stream, std::move(layout), dtype, options) {}

const Arena& Sgd::gradients(Objective& objective, const Arena& weights, StepTracks tracks) {
  objective.differentiate(weights, gradient_, tracks.first);
  return gradient_;
}

void Sgd::epsilon(Arena& out) const {
  zero(stream_, out.data(), out.size() * dtype_size(out.dtype()));
}

}  // namespace basin
