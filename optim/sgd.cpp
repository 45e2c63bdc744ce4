#include "optim/sgd.h"

namespace basin {

Sgd::Sgd(const Stream& stream, LayoutPtr layout, DType dtype, const OptimizerOptions& options)
    : Optimizer(stream, std::move(layout), dtype, options) {}

void Sgd::step(Objective& objective, Arena& weights, const double* learning_rate) {
  const Track track = options_.statistics == StatisticsFrom::Frozen ? Track::No : Track::Yes;
  objective.differentiate(weights, gradient_, track);
  descend(gradient_, weights, learning_rate);
}

void Sgd::epsilon(Arena& out) const {
  zero(stream_, out.data(), out.size() * dtype_size(out.dtype()));
}

}  // namespace basin
