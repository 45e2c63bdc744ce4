// A diagonal network's steps (n = 20, d = 30, float64, random data): one trajectory, and many at
// once. flops: those of diagonal_step_flops(), which ceiling_product's rate bounds from below.
#include "kernels/diagonal.h"

#include "bench/kernels/rates.h"
#include "kernels/landscape.h"

namespace basin::bench {
namespace {

constexpr int64_t kN = 20, kD = 30, kSteps = 2000;

void diagonal(benchmark::State& state, DiagonalTrajectory one) {
  const int64_t m = state.range(0);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  std::vector<double> x(kN * kD), y(kN), u(m * kD), v(m * kD), exponent(m * kD), integral(m);
  std::vector<int64_t> diverged(m, -1);
  std::vector<double> scratch(diagonal_scratch<double>(stream, kN, kD, 0));
  fill_normal(stream, {0, Purpose::Data, 0, 0}, kN * kD, x.data());
  for (int64_t k = 0; k < kN; ++k) y[k] = x[k * kD];
  one.gamma = 0.1, one.radius = 0.05;
  const std::vector<DiagonalTrajectory> each(m, one);
  for (auto _ : state) {
    std::fill(u.begin(), u.end(), one.alpha);
    std::fill(v.begin(), v.end(), 0.0);
    diagonal_run<double>(
        stream, {kN, kD, 0, x.data(), y.data(), nullptr, nullptr, nullptr}, m, each.data(),
        {0, kSteps, nullptr, 0, nullptr, 0, nullptr, 0},
        {u.data(), v.data(), exponent.data(), integral.data(), diverged.data(), nullptr},
        scratch.data());
    benchmark::ClobberMemory();
  }
  const int64_t steps = m * kSteps;
  set_rates(state, {0, 0, steps * diagonal_step_flops(one, kN, kD)});
  state.counters["steps"] = benchmark::Counter(static_cast<double>(state.iterations() * steps),
                                               benchmark::Counter::kIsRate);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"trajectories", "threads"})->Args({1, 1})->Args({1000, 1})->Args({1000, 2});
  b->UseRealTime();
}

BENCHMARK_CAPTURE(diagonal, gd, {DiagonalAlgorithm::Gd})->Apply(sizes);
BENCHMARK_CAPTURE(diagonal, sgd, {DiagonalAlgorithm::Sgd})->Apply(sizes);
BENCHMARK_CAPTURE(diagonal, nsam, {DiagonalAlgorithm::NSam})->Apply(sizes);
BENCHMARK_CAPTURE(diagonal, 1sam, {DiagonalAlgorithm::OneSam})->Apply(sizes);

}  // namespace
}  // namespace basin::bench
