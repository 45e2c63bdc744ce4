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

// What the parts of a batch came to. One part, with the whole batch's share: {loss, correct}.
template <class T>
struct PassParts {
  const T *loss, *correct;  // [parts]
  double l2 = 0;
  const double* squared_norms = nullptr;  // [norms]; not read where l2 is 0
  int64_t parts = 1, norms = 1;
  const double *share = nullptr, *norm_share = nullptr;  // of the batch: [parts], [norms]; or null
};
// *result = {sum of share * loss + l2 / 2 * the sum of norm_share * squared_norms, sum of correct}
template <class T>
void pass_result(const Stream& stream, const PassParts<T>& parts, PassResult* result);

// *rate = rates[cursor->step]
void begin_step(const Stream& stream, const StepCursor* cursor, const double* rates, double* rate);
// ++cursor->step
void next_batch(const Stream& stream, StepCursor* cursor);
// rows[cursor->step] = {*first, last->loss}; then ++cursor->step.
void end_step(const Stream& stream, StepCursor* cursor, const PassResult* first,
              const PassResult* last, StepResult* rows);

// What one thread does for each of the above, on either device.
template <class T>
struct PassResultOf {
  PassParts<T> p;
  PassResult* result;
  BASIN_HD void operator()() const {
    double loss = 0, correct = 0, norm = 0;
    for (int64_t i = 0; i < p.parts; ++i) {
      loss += (p.share == nullptr ? 1 : p.share[i]) * static_cast<double>(p.loss[i]);
      correct += static_cast<double>(p.correct[i]);
    }
    if (p.l2 > 0) {
      for (int64_t i = 0; i < p.norms; ++i) {
        norm += (p.norm_share == nullptr ? 1 : p.norm_share[i]) * p.squared_norms[i];
      }
      loss += p.l2 / 2 * norm;
    }
    *result = {loss, correct};
  }
};
struct BeginStep {
  const StepCursor* cursor;
  const double* rates;
  double* rate;
  BASIN_HD void operator()() const { *rate = rates[cursor->step]; }
};
struct NextBatch {
  StepCursor* cursor;
  BASIN_HD void operator()() const { ++cursor->step; }
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
