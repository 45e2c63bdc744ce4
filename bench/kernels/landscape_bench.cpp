// Points on lines and planes, the adaptive ascent, random directions and their normalisation.
#include "kernels/landscape.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

const double kSquaredNorm = 4.0, kRho = 0.05;

void combination(benchmark::State& state) {
  run_map(state, Combination<float>{0.25F, 0.75F});
}
void plane_point(benchmark::State& state) {
  run_map(state, PlanePoint<float>{0.25F, 0.75F});
}
void adaptive_gradient(benchmark::State& state) {
  run_map(state, AdaptiveGradient<float>{});
}
void adaptive_point(benchmark::State& state) {
  run_map(state, AdaptivePoint<float>{&kSquaredNorm, &kRho});
}

void fill_normal_float(benchmark::State& state) {
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  std::vector<float> out(state.range(0));
  for (auto _ : state) {
    fill_normal(stream, {1, Purpose::Direction, 0, 0}, state.range(0), out.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, fill_normal_cost<float>(state.range(0)));
}

void filter_normalise_float(benchmark::State& state) {
  const int64_t filters = state.range(0), size = state.range(1);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  const std::vector<float> w(filters * size, 0.5F);
  std::vector<float> d(filters * size, 0.25F);
  for (auto _ : state) {
    filter_normalise(stream, filters, size, w.data(), d.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, filter_normalise_cost<float>(filters, size));
}

BENCHMARK(combination)->Apply(sizes);
BENCHMARK(plane_point)->Apply(sizes);
BENCHMARK(adaptive_gradient)->Apply(sizes);
BENCHMARK(adaptive_point)->Apply(sizes);
BENCHMARK(fill_normal_float)
    ->ArgNames({"n", "threads"})
    ->ArgsProduct({{1 << 12, 1 << 20}, {1, 2}})
    ->UseRealTime();
BENCHMARK(filter_normalise_float)
    ->ArgNames({"filters", "size", "threads"})
    ->ArgsProduct({{16, 512}, {144, 4608}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace basin::bench
