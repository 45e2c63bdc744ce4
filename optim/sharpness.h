// m-sharpness of a batch of m examples (understanding-sam, eval_sharpness; paper's section 3): the
// maximum of L_B(w + delta) - L_B(w) in a ball around w, by projected normalised gradient ascent.
// The maximum is that of the loss over all restarts and all points on their way, w itself among
// them: it is never negative. It is a lower bound of the ball's, as any ascent's.
#pragma once

#include "engine/batch_replay.h"
#include "optim/ball.h"

namespace basin {

// Of the ascent's steps; Quarters: times 1, 1/2, 1/4, 1/8 in the quarters of the way.
enum class StepSchedule { Constant, Quarters };
// Where a way begins: at w, or anywhere on the sphere, another place for each restart.
enum class Start { Centre, Sphere };

struct AscentOptions {
  int steps = 20;
  double step_size = 0.1;  // in units of rho
  StepSchedule schedule = StepSchedule::Constant;
  Start start = Start::Centre;
  int restarts = 1;
  Geometry geometry = Geometry::Plain;
  uint64_t seed = 0;
};

// The batch's mean loss at a point, how many labels are met, and |grad L_B|_2 there.
struct AscentPoint {
  double loss, correct, gradient_norm;
};
struct AscentResult {
  AscentPoint centre, worst;  // at w; where the loss is greatest (NaN, where it is NaN anywhere)
};

class SharpnessAscent {
 public:
  // `weights` outlive it and are only read. More than one restart from the centre is an
  // Error(Usage): all would be the same.
  SharpnessAscent(const Stream& stream, const Arena& weights, const AscentOptions& options);

  // The replay is bound to the batch and recorded with Mode::Frozen; `batch` is the batch's number,
  // which gives its random starts.
  AscentResult operator()(BatchReplay& replay, double rho, int64_t batch);

 private:
  AscentPoint visit(BatchReplay& replay);

  Stream stream_;
  AscentOptions options_;
  Ball ball_;
  Arena gradient_;
  Buffer squares_;  // of the gradient: the reduction's result, and its partials
};

}  // namespace basin
