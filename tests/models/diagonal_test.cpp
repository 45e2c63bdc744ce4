// The diagonal network on a tape: its gradient, and Basin's optimisers on it beside the fused
// trajectories.
#include "models/diagonal.h"

#include <gtest/gtest.h>

#include "models/diagonal_sweep.h"
#include "optim/optimizer.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

constexpr double kAlpha = 0.1;

SparseRegression problem() {
  return make_sparse_regression({.rng = DataRng::Numpy});
}

OptimizerOptions plain(const std::string& name, double rho = 0) {
  return {.name = name, .descent = {.momentum = 0}, .rho = rho, .normalise = Normalise::No};
}

int steps_on(const Stream& stream) {
  return stream.is_cuda() ? 100 : 1000;
}  // emulated: slow

// The weights after so many steps by an optimiser on the tape. objective_at(i): of step i.
template <class ObjectiveAt>
std::vector<double> on_tape(const Stream& stream, const DiagonalObjective& first, DType dtype,
                            const OptimizerOptions& options, double gamma,
                            const ObjectiveAt& objective_at) {
  Arena weights = first.start(kAlpha);
  const auto optimizer = make_optimizer(stream, weights.layout(), dtype, options);
  const Placed<double> rate(stream, std::vector<double>{gamma});
  for (int i = 0; i < steps_on(stream); ++i) optimizer->step(objective_at(i), weights, rate.data());
  std::vector<double> all = weights.read(stream, weights.layout()->at("u"));
  for (const double v : weights.read(stream, weights.layout()->at("v"))) all.push_back(v);
  return all;
}

// The same of the fused kernel.
std::vector<double> fused(const Stream& stream, const DiagonalTrajectory& one) {
  DiagonalSweep sweep(stream, {problem()}, {one});
  sweep.run(steps_on(stream), {});
  std::vector<double> all = sweep.u(0);
  for (const double v : sweep.v(0)) all.push_back(v);
  return all;
}

double farthest(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

TEST(DiagonalNetwork, TheLossAndItsGradient) {
  const Regression data = problem().train;
  const Stream stream = Stream::cpu(1);
  DiagonalObjective objective(stream, data, DType::Float64);
  EXPECT_NEAR(objective.loss(objective.start(kAlpha)), 0.3028884805744388, 1e-15);  // beta = 0
  Arena at = objective.start(0), gradient = at.sibling(stream);
  const std::vector<double> u = random_values<double>(30, 1, 0.5), v = random_values<double>(30, 2);
  at.write(stream, at.layout()->at("u"), u);
  at.write(stream, at.layout()->at("v"), v);
  objective.differentiate(at, gradient, Track::No);
  const std::vector<double> du = gradient.read(stream, at.layout()->at("u"));
  const std::vector<double> dv = gradient.read(stream, at.layout()->at("v"));
  std::vector<double> g(30, 0.0);
  double loss = 0;
  for (int64_t k = 0; k < 20; ++k) {
    double r = -data.y[k];
    for (int64_t j = 0; j < 30; ++j) r += data.x[k * 30 + j] * u[j] * v[j];
    for (int64_t j = 0; j < 30; ++j) g[j] += r * data.x[k * 30 + j] / 20;
    loss += r * r / 40;
  }
  EXPECT_NEAR(objective.loss(at), loss, 1e-13 * loss);
  for (int64_t j = 0; j < 30; ++j) {
    EXPECT_NEAR(du[j], g[j] * v[j], 1e-12);
    EXPECT_NEAR(dv[j], g[j] * u[j], 1e-12);
  }
}

TEST(DiagonalNetwork, OptimisersOnTheTapeAreTheFusedTrajectories) {
  using enum DiagonalAlgorithm;
  const Regression data = problem().train;
  for (const Stream& stream : streams({1})) {
    SCOPED_TRACE(name(stream));
    for (const DType dtype : {DType::Float64, DType::Float32}) {
      if (dtype == DType::Float32 && stream.is_cuda()) continue;  // the same code again
      SCOPED_TRACE(std::string(dtype_name(dtype)));
      const double tolerance = dtype == DType::Float64 ? 1e-12 : 2e-4;
      DiagonalObjective whole(stream, data, dtype);
      const auto batch = [&](int) -> Objective& { return whole; };
      const DiagonalTrajectory gd{.alpha = kAlpha, .gamma = 1.0 / 6};
      EXPECT_LE(
          farthest(on_tape(stream, whole, dtype, plain("sgd"), gd.gamma, batch), fused(stream, gd)),
          tolerance);
      DiagonalTrajectory n_sam = gd;
      n_sam.algorithm = NSam, n_sam.radius = 0.3;
      EXPECT_LE(farthest(on_tape(stream, whole, dtype, plain("sam", 0.3), gd.gamma, batch),
                         fused(stream, n_sam)),
                tolerance);
      if (stream.is_cuda()) continue;  // 20 small replays a step: too many for the emulated device
      DiagonalObjective examples(stream, data, dtype, DiagonalObjective::Groups::Examples);
      DiagonalTrajectory one_sam = gd;
      one_sam.algorithm = OneSam, one_sam.radius = 0.06;
      EXPECT_LE(farthest(on_tape(stream, examples, dtype, plain("sam", 0.06), gd.gamma,
                                 [&](int) -> Objective& { return examples; }),
                         fused(stream, one_sam)),
                tolerance);
      DiagonalTrajectory sgd = gd;
      sgd.algorithm = Sgd, sgd.gamma = 0.05;
      NumpyRandom draws = *problem().draws;
      EXPECT_LE(farthest(on_tape(stream, whole, dtype, plain("sgd"), sgd.gamma,
                                 [&](int) -> Objective& {
                                   whole.pick(draws.below(20));
                                   return whole;
                                 }),
                         fused(stream, sgd)),
                tolerance);
    }
  }
}

}  // namespace
}  // namespace basin::test
