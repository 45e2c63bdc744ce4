// The losses: rows of classes, as a classifier has them, and values, as a regression has them.
#include "kernels/loss.h"

#include "bench/kernels/rates.h"
#include "kernels/reduce.h"

namespace basin::bench {
namespace {

void cross_entropy_float(benchmark::State& state) {
  const int64_t n = state.range(0), classes = state.range(1);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  std::vector<float> z(n * classes), dz(n * classes);
  for (size_t i = 0; i < z.size(); ++i) z[i] = 0.01f * static_cast<float>(i % 97);
  const std::vector<int32_t> labels(n, 0);
  std::vector<double> scratch(cross_entropy_scratch(n) / sizeof(double));
  float loss = 0, correct = 0;
  for (auto _ : state) {
    cross_entropy(stream, n, classes, z.data(), labels.data(), &loss, &correct, dz.data(),
                  scratch.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, cross_entropy_cost<float>(n, classes));
}

void squared_error_float(benchmark::State& state) {
  const int64_t n = state.range(0);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  std::vector<float> x(n, 0.5f), y(n, 0.25f), dx(n);
  std::vector<double> scratch(reduce_partials(n) + 1);
  float loss = 0;
  for (auto _ : state) {
    squared_error(stream, n, 0.5, x.data(), y.data(), &loss, dx.data(), scratch.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, element_cost<SquaredErrorTerm<float>, float>(n));
}

BENCHMARK(cross_entropy_float)
    ->ArgNames({"n", "classes", "threads"})
    ->ArgsProduct({{16, 128, 1024}, {10, 100}, {1, 2}})
    ->UseRealTime();
BENCHMARK(squared_error_float)->Apply(sizes);

}  // namespace
}  // namespace basin::bench
