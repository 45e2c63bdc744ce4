// Gradients against central differences, in float64, through replays of one frozen tape.
#pragma once

#include <functional>

#include "engine/tape.h"

namespace basin {

// Records a scalar function of the parameters.
using RecordScalar = std::function<Variable(Tape&)>;

// Records at `start`, replays at `at` (float64, same layout), and returns the largest
// |backward - numeric| / (1 + |numeric| + |f|) over all parameters. The step is 1e-6 (1 + |w|):
// small enough to meet few kinks; the error of the difference is about 1e-9 in that unit.
double gradcheck(const RecordScalar& record, const Stream& stream, const Arena& start, Arena& at,
                 Arena* buffers = nullptr, Mode mode = Mode::Training);

}  // namespace basin
