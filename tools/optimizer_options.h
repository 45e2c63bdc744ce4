// The optimiser's options, the same for `train` and `step`.
#pragma once

#include "optim/optimizer.h"
#include "tools/cli.h"

namespace basin {

void add_optimizer_options(CLI::App& command, OptimizerOptions& options);

}  // namespace basin
