// How m-SAM's groups are replayed, by planned memory and, if it is wished, by measurement.
#pragma once

#include <string>

#include "models/model.h"
#include "tools/step_options.h"

namespace basin {

// Where options.microbatch cuts the batch into several groups: sets options.execution, and returns
// a line that says what was planned, chosen and why; elsewhere "".
//   auto: on a CPU the loop, on CUDA the groups at once (bench/README.md has both measured), of
//   those that the network allows and whose plan fits; measure: the faster of these by two steps
//   each. A name is held to the limit too.
// Error(Usage) with the planned memory of each where none fits options.memory_limit.
std::string choose_execution(const Stream& stream, const ModelOptions& network, DType dtype,
                             StepOptions& options);

}  // namespace basin
