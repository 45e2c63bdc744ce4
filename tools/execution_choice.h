// How m-SAM's groups are replayed, by planned memory and, if it is wished, by measurement.
#pragma once

#include <string>

#include "models/model.h"
#include "tools/step_options.h"

namespace basin {

// Where options.microbatch cuts the batch into several groups: sets options.execution, and returns
// a line that says what was planned, chosen and why; elsewhere "".
//   auto: the first of those that the network allows and whose plan fits (bench/README.md has them
//   measured): ghosts, where they spare half of the parameters; on a CPU the loop, then the groups
//   at once, on CUDA the other way round. measure: the fastest of them by two steps each. A name is
//   held to the limit too.
// Error(Usage) with the planned memory of each where none fits options.memory_limit.
std::string choose_execution(const Stream& stream, const ModelOptions& network, DType dtype,
                             StepOptions& options);

}  // namespace basin
