// One training step: reads gradients from an objective, writes the weights once.
#pragma once

#include <memory>
#include <string>

#include "engine/objective.h"
#include "kernels/sam.h"
#include "kernels/sgd.h"

namespace basin {

// Which passes of a SAM step move the running statistics of batch norm. Frozen: none, and every
// pass normalises with the running ones (the objective's tape is recorded with Mode::Frozen).
enum class StatisticsFrom { First, Both, Frozen };

// Of the base optimiser, which takes the last gradient.
struct DescentOptions {
  double momentum = 0.9, decay = 0;
  Nesterov nesterov = Nesterov::No;
  Decay form = Decay::L2;
};

struct OptimizerOptions {
  std::string name = "sgd";  // sgd, sam, random
  DescentOptions descent;
  double rho = 0.05;
  int sam_steps = 1;         // K: projected ascent steps
  double sam_step_size = 1;  // of one ascent step, in units of rho
  Normalise normalise = Normalise::Yes;
  StatisticsFrom statistics = StatisticsFrom::First;
  uint64_t seed = 0;  // of random perturbations
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // One step on the objective's batch, at the rate that stands in device memory: on CUDA a step is
  // launches only, and can be captured. One that throws has changed nothing but its scratch.
  void step(Objective& objective, Arena& weights, const double* learning_rate);
  // A step without its descent: returns the gradient that moves the weights.
  virtual const Arena& gradients(Objective& objective, const Arena& weights, StepTracks tracks) = 0;

  // Whether the next steps leave w for their last gradient, as they do at first; else they are
  // SGD's. Not in a captured step.
  void set_ascent(bool yes) { ascends_ = yes; }
  // The next step is number k of the run, from 0: for those that draw random numbers.
  virtual void start_at(int64_t /*k*/) {}

  // Whether its ascent, if it has one, keeps eps between moves.
  virtual KeepEpsilon keeps_epsilon() const { return KeepEpsilon::No; }

  // What survives between steps, and so belongs in a checkpoint.
  Arena& velocity() { return velocity_; }
  // Of the last step: the gradient at w, and (SAM) at w + eps; for sgd both are the same arena.
  const Arena& gradient() const { return gradient_; }
  virtual const Arena& gradient_perturbed() const { return gradient_; }
  // Of the last step: eps, written to `out`; all zero for sgd.
  virtual void epsilon(Arena& out) const = 0;

 protected:
  Optimizer(const Stream& stream, LayoutPtr layout, DType dtype, const OptimizerOptions& options);
  // w, v <- descent along `gradient`.
  void descend(const Arena& gradient, Arena& weights, const double* learning_rate);

  // In device memory.
  const double* rho() const { return reinterpret_cast<const double*>(rho_.data()); }

  Stream stream_;
  OptimizerOptions options_;
  Arena gradient_, velocity_;
  Buffer rho_;
  bool ascends_ = true;
};

// Throws Error(Usage) for an unknown name, rho < 0, …
std::unique_ptr<Optimizer> make_optimizer(const Stream& stream, LayoutPtr layout, DType dtype,
                                          const OptimizerOptions& options);

}  // namespace basin
