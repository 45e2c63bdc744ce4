// Fully connected networks on flattened images.
#pragma once

#include "models/model.h"

namespace basin {

// Two hidden layers of `width` with ReLU: fc1, fc2, fc3.
Model make_mlp(const ModelOptions& options);
// One layer without a bias (paper: "linear").
Model make_linear(const ModelOptions& options);

}  // namespace basin
