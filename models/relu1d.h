// The network of one hidden ReLU layer and one input, f(x) = sum_j a_j relu(w_j x + b_j): its
// weights, and the network on a tape, any optimiser's objective. The fused training loop is
// kernels/relu1d.h's.
#pragma once

#include <vector>

#include "engine/data/regression.h"
#include "engine/objective.h"
#include "engine/tape.h"
#include "engine/workspace.h"

namespace basin {

struct Relu1dWeights {
  std::vector<float> w, b, a;  // [units]
};

// Philox is Basin's own (kernels/random.h); Torch draws what the notebook of Andriushchenko &
// Flammarion 2022 does after torch.manual_seed(seed).
enum class InitRng { Philox, Torch };

struct Relu1dStart {
  int64_t units = 100;
  double scale = 1;
  InitRng rng = InitRng::Philox;
  uint64_t seed = 0;
};
// w = 2.5 scale or its negative, by a coin; b ~ N(0, (2.5 scale)^2), a ~ N(0, (4 scale)^2) (Blanc
// et al. 2020). Torch's normal numbers come in blocks: Error(Usage) where it has less than 16
// units.
Relu1dWeights make_relu1d_weights(const Relu1dStart& start);

// The twelve points of that notebook (of Maennel et al. 2018), x rising.
Regression relu1d_points();

// Parameters "hidden.weight" [units, 1], "hidden.bias" [units] and "output.weight" [1, units].
LayoutPtr relu1d_layout(int64_t units);
// Records x: [n, 1] -> f: [n, 1].
Variable record_relu1d(Tape& tape, const Variable& x);

// 1/2 sum_k (f(x_k) - y_k)^2 of all points.
class Relu1dObjective final : public Objective {
 public:
  // data: of one feature. dtype: Float32 or Float64.
  Relu1dObjective(const Stream& stream, const Regression& data, int64_t units, DType dtype);

  Arena place(const Relu1dWeights& weights) const;
  double loss(const Arena& at);
  void differentiate(const Arena& at, Arena& gradient, Track track) override;

 private:
  Stream stream_;
  LayoutPtr layout_;
  Buffer x_, y_;
  Arena origin_;  // what the tape is recorded at
  Tape tape_;
  Workspace work_;
  Point point_;
};

}  // namespace basin
