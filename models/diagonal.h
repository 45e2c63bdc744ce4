// The diagonal linear network on a tape, f(x) = <x, u o v>: any optimiser's objective. The fused
// trajectories of its own algorithms are kernels/diagonal.h's.
#pragma once

#include <memory>
#include <optional>

#include "engine/data/regression.h"
#include "engine/objective.h"
#include "engine/tape.h"
#include "engine/workspace.h"

namespace basin {

// Parameters "u" and "v": [1, d].
LayoutPtr diagonal_layout(int64_t d);
// Records x: [n, d] -> predictions [n, 1].
Variable record_diagonal(Tape& tape, const Variable& x);

// |X (u o v) - y|^2 / (2n) of all examples, full batch. With Groups::Examples each example is a
// group of its own, as 1-SAM has it: its loss is r_k^2 / 2, so that an unnormalised ascent of
// radius rho moves along r_k x_k; the paper's code takes twice that.
class DiagonalObjective final : public Objective {
 public:
  enum class Groups { One, Examples };

  // dtype: Float32 or Float64.
  DiagonalObjective(const Stream& stream, const Regression& data, DType dtype,
                    Groups groups = Groups::One);

  // The gradient of one group is from now on that of example k alone, as SGD takes it.
  void pick(int64_t k) { picked_ = k; }

  // u = alpha, v = 0.
  Arena start(double alpha) const;
  double loss(const Arena& at);  // of all examples

  void differentiate(const Arena& at, Arena& gradient, Track track) override;
  int64_t groups() const override { return groups_ == Groups::One ? 1 : n_; }
  void differentiate_perturbed(const Arena& weights, const Ascent& ascent, Arena& gradient,
                               StepTracks tracks) override;

 private:
  // A tape of n examples.
  struct Recorded {
    Tape tape;
    Workspace work;
    Point point;
    Recorded(const Stream& stream, const Arena& parameters, int64_t n, int64_t d,
             const std::byte* x, const std::byte* y);
    void forward(const Arena& at);
    void differentiate(const Arena& at, Arena& gradient);
  };
  // The tape of one example, with example k.
  Recorded& example(int64_t k);

  Stream stream_;
  LayoutPtr layout_;
  DType dtype_;
  Groups groups_;
  int64_t n_, d_;
  Buffer x_, y_;
  Arena origin_;  // what the tapes are recorded at
  Recorded all_;
  std::optional<Recorded> one_;  // made when it is first needed
  std::optional<int64_t> picked_;
};

}  // namespace basin
