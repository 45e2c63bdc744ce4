// The reductions: norm and sum of an arena, a bias's gradient, the sum of workspaces' gradients.
#include "kernels/reduce.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

void squared_norm_float(benchmark::State& state) {
  const int64_t n = state.range(0);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  std::vector<float> x(n, 0.5f);
  std::vector<double> partials(reduce_partials(n) + 1);
  for (auto _ : state) {
    squared_norm(stream, n, x.data(), partials.data() + 1, partials.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, element_cost<SquareTerm, float>(n));
}

// The norms of many groups' gradients: 300,000 parameters are those of a small network.
void squared_norms_float(benchmark::State& state) {
  const int64_t n = state.range(1);
  const ParameterGroups groups{state.range(0), round_up<int64_t>(n, 16)};
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  std::vector<float> x(groups.count * groups.stride, 0.5f);
  std::vector<double> partials(groups.count * reduce_partials(n)), results(groups.count);
  for (auto _ : state) {
    squared_norms(stream, groups, n, x.data(), partials.data(), results.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, element_cost<SquareTerm, float>(groups.count * n));
}

void column_sum_float(benchmark::State& state) {
  const int64_t columns = state.range(1), rows = state.range(0) / columns;
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  std::vector<float> x(rows * columns, 0.5f), sums(columns);
  std::vector<float> partials(column_sum_partials(rows, columns));
  for (auto _ : state) {
    column_sum(stream, rows, columns, x.data(), partials.data(), sums.data(), Write::Overwrite);
    benchmark::ClobberMemory();
  }
  set_rates(state, element_cost<PlainTerm, float>(rows * columns));
}

// The bias's gradient of each group of 128 rows.
void column_sum_of_groups(benchmark::State& state) {
  const int64_t columns = state.range(1), rows = 128;
  const ParameterGroups groups{state.range(0), columns};
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  std::vector<float> x(rows * columns, 0.5f), sums(groups.count * columns);
  std::vector<float> partials(column_sum_partials(rows, columns, groups.count));
  for (auto _ : state) {
    column_sum(stream, rows, columns, x.data(), partials.data(), sums.data(), Write::Overwrite,
               groups);
    benchmark::ClobberMemory();
  }
  set_rates(state, element_cost<PlainTerm, float>(rows * columns));
}

// Two gradients made one, with the L2 term: 16 bytes and 3 flops a parameter.
void sum_parts_float(benchmark::State& state) {
  const int64_t n = state.range(0);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  std::vector<float> a(n, 0.5f), b(n, 0.25f), w(n, 1.0f), out(n);
  const float* parts[] = {a.data(), b.data()};
  for (auto _ : state) {
    sum_parts(stream, n, parts, 2, 5e-4, w.data(), out.data());
    benchmark::ClobberMemory();
  }
  const int64_t array = n * int64_t{sizeof(float)};
  set_rates(state, {.bytes_read = 3 * array, .bytes_written = array, .flops = 3 * n});
}

BENCHMARK(squared_norm_float)->Apply(sizes);
BENCHMARK(squared_norms_float)
    ->ArgNames({"groups", "n", "threads"})
    ->ArgsProduct({{8, 128}, {1 << 12, 300'000}, {1, 2}})
    ->UseRealTime();
BENCHMARK(column_sum_float)
    ->ArgNames({"n", "columns", "threads"})
    ->ArgsProduct({{1 << 14, 1 << 20}, {10, 64, 1024}, {1, 2}})
    ->UseRealTime();
BENCHMARK(column_sum_of_groups)
    ->ArgNames({"groups", "columns", "threads"})
    ->ArgsProduct({{8, 128}, {10, 512}, {1, 2}})
    ->UseRealTime();
BENCHMARK(sum_parts_float)->Apply(sizes);

}  // namespace
}  // namespace basin::bench
