// The scalars of a training step, in device memory: where a run stands, its learning rates, and
// what each step was like. A step that reads and writes them there is captured once and serves a
// run.
#pragma once

#include "kernels/platform.h"
#include "kernels/stream.h"

namespace basin {

// Which batch of which epoch is next.
struct StepCursor {
  int64_t step;  // of the epoch, from 0
  uint32_t epoch;
};

// What a pass over a batch came to.
struct PassResult {
  double loss, correct;  // the mean loss, the L2 term included; how many labels were met
};

struct StepResult {
  PassResult first;  // at w
  double last_loss;  // of the last pass: at w + eps
};

// *result = {*loss + l2 / 2 * *squared_norm, *correct}; squared_norm is not read where l2 is 0.
template <class T>
void pass_result(const Stream& stream, const T* loss, const T* correct, double l2,
                 const double* squared_norm, PassResult* result);

// *rate = rates[cursor->step]
void begin_step(const Stream& stream, const StepCursor* cursor, const double* rates, double* rate);
// rows[cursor->step] = {*first, last->loss}; then ++cursor->step.
void end_step(const Stream& stream, StepCursor* cursor, const PassResult* first,
              const PassResult* last, StepResult* rows);

// What one thread does for each of the above, on either device.
template <class T>
struct PassResultOf {
  const T *loss, *correct;
  double l2;
  const double* squared_norm;
  PassResult* result;
  BASIN_HD void operator()() const {
    double total = static_cast<double>(*loss);
    if (l2 > 0) total += l2 / 2 * *squared_norm;
    *result = {total, static_cast<double>(*correct)};
  }
};
struct BeginStep {
  const StepCursor* cursor;
  const double* rates;
  double* rate;
  BASIN_HD void operator()() const { *rate = rates[cursor->step]; }
};
struct EndStep {
  StepCursor* cursor;
  const PassResult *first, *last;
  StepResult* rows;
  BASIN_HD void operator()() const { rows[cursor->step++] = {*first, last->loss}; }
};

namespace cuda {
// Runs `act` in one thread.
template <class Act>
void once(const Stream& stream, const char* name, const Act& act);
}  // namespace cuda

}  // namespace basin
