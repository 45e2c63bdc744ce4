// Conversions between float and bfloat16; float to float is the floor.
#include "kernels/convert.h"

#include "bench/kernels/rates.h"
#include "kernels/bfloat16.h"

namespace basin::bench {
namespace {

template <class From, class To>
void run(benchmark::State& state) {
  const int64_t n = state.range(0);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  const std::vector<From> x(n, From(0.5F));
  std::vector<To> y(n);
  for (auto _ : state) {
    convert(stream, n, x.data(), y.data(), Write::Overwrite);
    benchmark::ClobberMemory();
  }
  set_rates(state, convert_cost<From, To>(n, Write::Overwrite));
}

void convert_float_float(benchmark::State& state) {
  run<float, float>(state);
}
void convert_float_bfloat16(benchmark::State& state) {
  run<float, bfloat16>(state);
}
void convert_bfloat16_float(benchmark::State& state) {
  run<bfloat16, float>(state);
}

BENCHMARK(convert_float_float)->Apply(sizes);
BENCHMARK(convert_float_bfloat16)->Apply(sizes);
BENCHMARK(convert_bfloat16_float)->Apply(sizes);

}  // namespace
}  // namespace basin::bench
