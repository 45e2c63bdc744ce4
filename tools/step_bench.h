// The cost of one training step and of its parts, measured.
#pragma once

#include <functional>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/cost.h"
#include "kernels/graph.h"
#include "tools/trace.h"
#include "tools/train_state.h"

namespace basin {

// Milliseconds. The parts of a step add up to it, but for what lies between them: weights packed,
// gradients unpacked and added, threads waiting for each other.
struct StepTimes {
  double step = 0, forward = 0, backward = 0, norm = 0, ascent = 0, descent = 0;

  double update() const { return norm + ascent + descent; }
};

// What the optimiser's kernels cost in a step.
struct UpdateCosts {
  Cost norm, ascent, descent;
};

// A network with a fixed random batch, warmed up.
class StepBench {
 public:
  StepBench(const Stream& stream, const ModelOptions& network, const StepOptions& options);

  // One step untimed, and one timed whole; then each of its parts, timed apart, in the same memory.
  StepTimes measure();
  // One step untimed, and one timed.
  double step_milliseconds();
  // The optimiser's kernels alone: norm, ascent and descent.
  void time_update(StepTimes& times);

  // One step on a CPU: what each op of each thread took, and the step's milliseconds.
  std::pair<std::vector<ThreadTrace>, double> trace();
  // One step, untimed, in which observer_of(thread) sees each thread's replays.
  void step(const std::function<ReplayObserver*(int thread)>& observer_of);

  // Milliseconds of a step's convolutions and products, each op and pass at its fastest: the
  // shortest of all its calls so far, in the step's own chunks, times its calls, over the threads.
  // 0 on CUDA, where an op is not timed alone (Nsight Compute does that).
  double products_floor() const;

  const BatchReplay& replay() const { return *state_.replay; }
  int threads() const { return options_.threads; }
  int64_t parameters() const { return state_.weights.size(); }
  // Ascents of a step: 0 for SGD.
  int ascents() const { return passes_ - 1; }
  UpdateCosts update_costs() const;
  // What a step must move beside its passes.
  int64_t update_bytes() const;
  // Bytes a second of y = y + x on as many floats as there are parameters: what an update can
  // reach.
  double update_bandwidth() const;

 private:
  // A part of a step: on CUDA a graph of it `times` times over, so that launches and the wait for
  // them do not count.
  struct Part {
    std::function<void()> work;
    int times = 1;
    Graph graph;
  };
  Part part_of(const std::function<void()>& work, int times) const;
  double milliseconds(const Part& part) const;
  // Milliseconds until what it puts on the stream has run.
  template <class Body>
  double milliseconds_of(const Body& body) const;
  template <class Body>
  void observed(const std::function<ReplayObserver*(int)>& observer_of, const Body& body);
  template <class Body>
  std::vector<ThreadTrace> traced(const Body& body);
  void enqueue();
  void make_parts();
  enum Scalar { kRate, kNoRate, kRho, kSquaredNorm, kScalars };
  double* scalar(Scalar slot) const;
  void time_passes(StepTimes& times);

  StepOptions options_;
  Stream stream_;
  TrainState state_;
  Arena gradient_, point_, velocity_;
  Buffer partials_, scalars_;  // scalars_: the learning rate, then those of the update timed apart
  Buffer images_, labels_;
  int passes_;
  Part step_, forward_, pass_, norm_, ascent_, descent_;
  // By node, pass and examples of the chunk: microseconds.
  std::map<std::tuple<int, Pass, int64_t>, double> fastest_product_;
};

// The median of some values; they must not be none.
double median(std::vector<double> values);

}  // namespace basin
