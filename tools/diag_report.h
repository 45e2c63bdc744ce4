// What `basin diag` writes and prints of its trajectories. Numbers in CSV have 17 significant
// digits; a field of what is not known, or not finite, is empty (in JSON null).
#pragma once

#include <string>

#include "tools/diag_runs.h"

namespace basin {

// iteration,train_loss,test_loss,l1,beta_error_squared,scale_mean,difference_max,potential,
// loss_integral: a line for each row of the only trajectory.
std::string diag_curves_csv(const DiagRuns& runs);
// u,v,beta,theta,difference,exponent: a line for each coordinate of the only trajectory.
// difference: u^2 - v^2; flow multiplies sqrt|difference| by exp(-exponent).
std::string diag_weights_csv(const DiagRuns& runs);
// algorithm,seed,alpha,gamma,rho and the end's columns, and diverged_at: a line a trajectory.
std::string diag_sweep_csv(const DiagRuns& runs);
// Options, speed and the end; of a sweep an array of ends.
std::string diag_summary_json(const DiagRuns& runs, const std::string& device, int threads);

// For a terminal: the end of each trajectory.
std::string diag_table(const DiagRuns& runs);
// For --theory.
std::string diag_theory(const DiagRuns& runs);

}  // namespace basin
