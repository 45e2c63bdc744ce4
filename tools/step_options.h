// The optimiser's options, the same for every command that takes a step.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "optim/optimizer.h"
#include "tools/cli.h"

namespace basin {

void add_optimizer_options(CLI::App& command, OptimizerOptions& options);
// The options by their names on the command line.
nlohmann::ordered_json configuration(const OptimizerOptions& options);

}  // namespace basin
