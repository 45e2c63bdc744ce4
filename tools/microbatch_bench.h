// `basin bench microbatch`: what a step of m-SAM costs, from the whole batch down to one example.
#pragma once

#include "tools/cli.h"

namespace basin {

// The subcommand of `bench`, and what runs when it is chosen.
std::pair<CommandLine, Command> add_microbatch_bench(CommandLine bench);

}  // namespace basin
