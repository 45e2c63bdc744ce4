// `basin bench scaling`: how a step's cost grows with batch, width, parameters and threads.
#pragma once

#include "tools/cli.h"

namespace basin {

// The subcommand of `bench`, and what runs when it is chosen.
std::pair<CommandLine, Command> add_scaling_bench(CommandLine bench);

}  // namespace basin
