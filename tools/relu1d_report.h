// What `basin relu1d` writes and prints of its runs. Numbers in CSV have the digits that it takes
// to read the same number again; a field of what is not finite is empty (in JSON null).
#pragma once

#include <string>

#include "tools/relu1d_runs.h"

namespace basin {

// step,loss,loss_perturbed,kinks,kinks_large,slope_change,variation,path_norm,norm: a line for each
// row that was logged.
std::string relu1d_curves_csv(const Relu1dRuns& runs, size_t i);
// x,f: the learned function on its grid.
std::string relu1d_function_csv(const Relu1dRuns& runs, size_t i);
// x,slope_change,units: all kinks, the small ones too.
std::string relu1d_kinks_csv(const Relu1dRuns& runs, size_t i);
// w,b,a: a line for each unit.
std::string relu1d_weights_csv(const Relu1dRuns& runs, size_t i);
// x,y: the data.
std::string relu1d_points_csv(const Relu1dRuns& runs);
// The options and the end of a run.
std::string relu1d_summary_json(const Relu1dRuns& runs, size_t i);
// seed and the end's numbers, a line a run.
std::string relu1d_sweep_csv(const Relu1dRuns& runs);

// For a terminal: the end of each run.
std::string relu1d_table(const Relu1dRuns& runs);

}  // namespace basin
