// The ascent of m-SAM's groups: 300,000 parameters are those of a small network.
#include "kernels/sam_groups.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

void sam_ascent_groups_float(benchmark::State& state) {
  const int64_t n = state.range(1);
  const ParameterGroups groups{state.range(0), round_up<int64_t>(n, 16)};
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  std::vector<float> w(n, 1.0f), g(groups.count * groups.stride, 0.5f), points(g.size());
  const std::vector<double> norms(groups.count, 4.0);
  const double rho = 0.05;
  for (auto _ : state) {
    sam_ascent_groups(stream, groups, n, w.data(), g.data(), norms.data(), &rho, Normalise::Yes,
                      points.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, sam_ascent_groups_cost<float>(groups.count, n));
}

BENCHMARK(sam_ascent_groups_float)
    ->ArgNames({"groups", "n", "threads"})
    ->ArgsProduct({{8, 128}, {1 << 12, 300'000}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace basin::bench
