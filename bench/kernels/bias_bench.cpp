// The bias, over rows from a class score's to a wide layer's.
#include "kernels/bias.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

void bias_forward_float(benchmark::State& state) {
  const int64_t columns = state.range(1), rows = state.range(0) / columns;
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  std::vector<float> x(rows * columns, 0.5f), b(columns, 1.0f), y(rows * columns);
  for (auto _ : state) {
    bias_forward(stream, rows, columns, x.data(), b.data(), y.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, element_cost<BiasAdd<float>, float>(rows * columns));
}

// 128 rows, each group of them with a bias of its own.
void bias_of_groups(benchmark::State& state) {
  const int64_t columns = state.range(1), rows = 128;
  const ParameterGroups groups{state.range(0), columns};
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  std::vector<float> x(rows * columns, 0.5f), b(groups.count * columns, 1.0f), y(rows * columns);
  for (auto _ : state) {
    bias_forward(stream, rows, columns, x.data(), b.data(), y.data(), groups);
    benchmark::ClobberMemory();
  }
  set_rates(state, element_cost<BiasAdd<float>, float>(rows * columns));
}

BENCHMARK(bias_of_groups)
    ->ArgNames({"groups", "columns", "threads"})
    ->ArgsProduct({{8, 128}, {10, 512}, {1, 2}})
    ->UseRealTime();
BENCHMARK(bias_forward_float)
    ->ArgNames({"n", "columns", "threads"})
    ->ArgsProduct({{1 << 14, 1 << 20}, {10, 64, 1024}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace basin::bench
