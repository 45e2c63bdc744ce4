// The losses of a diagonal linear network on the line between two runs' ends.
#pragma once

#include "tools/diag_options.h"

namespace basin {

// At `points` places w = (1 - t) w_a + t w_b, t evenly from `from` to `to`, u and v apart: line.csv
// (t,train_loss,test_loss) and summary.json in options.out. Error(Usage) for files that hold not
// one run's weights of the data's d.
void write_diag_line(const DiagOptions& options);

}  // namespace basin
