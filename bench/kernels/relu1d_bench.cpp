// Training of one-hidden-layer ReLU networks (100 units, 12 points, float32, random weights): one,
// and five on the threads of a machine. flops: those of relu1d_step_flops().
#include "kernels/relu1d.h"

#include "bench/kernels/rates.h"
#include "kernels/landscape.h"

namespace basin::bench {
namespace {

constexpr int64_t kUnits = 100, kPoints = 12, kSteps = 2000;

void relu1d(benchmark::State& state, const Relu1dRule& rule) {
  const int64_t m = state.range(0);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  std::vector<float> x(kPoints), y(kPoints), start(m * 3 * kUnits);
  std::vector<float> scratch(relu1d_scratch<float>(stream, kUnits, kPoints, m));
  fill_normal(stream, {0, Purpose::Data, 0, 0}, kPoints, x.data());
  fill_normal(stream, {0, Purpose::Data, 1, 0}, kPoints, y.data());
  fill_normal(stream, {0, Purpose::Initialise, 0, 0}, m * 3 * kUnits, start.data());
  for (auto _ : state) {
    std::vector<float> weights = start;
    std::vector<Relu1dProgress> progress(m);
    relu1d_run<float>(stream, {kPoints, x.data(), y.data()}, kUnits, m, rule, kSteps,
                      weights.data(), progress.data(), scratch.data());
    benchmark::ClobberMemory();
  }
  const int64_t steps = m * kSteps;
  set_rates(state, {0, 0, steps * relu1d_step_flops(rule, kUnits, kPoints)});
  state.counters["steps"] = benchmark::Counter(static_cast<double>(state.iterations() * steps),
                                               benchmark::Counter::kIsRate);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"networks", "threads"})->Args({1, 1})->Args({5, 1})->Args({5, 2});
  b->UseRealTime();
}

BENCHMARK_CAPTURE(relu1d, gd, {.gamma = 5e-5})->Apply(sizes);
BENCHMARK_CAPTURE(relu1d, sam, {.gamma = 5e-5, .rho = 0.3, .decay_steps = 1'000'000})->Apply(sizes);

}  // namespace
}  // namespace basin::bench
