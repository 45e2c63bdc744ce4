// Average pooling: a 2x2 window and the global pool, there and back.
#include "kernels/pool.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

// x is read (or written) once, y written (or read) once; an addition and a product an element.
Cost pool_cost(int64_t x, int64_t y) {
  return {x * int64_t{sizeof(float)}, y * int64_t{sizeof(float)}, 2 * x};
}

void average_pool_float(benchmark::State& state) {
  const int64_t n = state.range(0), c = state.range(1);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  const PoolShape shape{n, 32, 32, c, 2, 2};
  std::vector<float> x(n * 32 * 32 * c, 0.5f), y(n * 16 * 16 * c);
  for (auto _ : state) {
    average_pool_forward(stream, shape, x.data(), y.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, pool_cost(n * 32 * 32 * c, n * 16 * 16 * c));
}

void average_pool_backward_float(benchmark::State& state) {
  const int64_t n = state.range(0), c = state.range(1);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  const PoolShape shape{n, 32, 32, c, 2, 2};
  std::vector<float> dx(n * 32 * 32 * c), dy(n * 16 * 16 * c, 0.5f);
  for (auto _ : state) {
    average_pool_backward(stream, shape, dy.data(), dx.data(), Write::Overwrite);
    benchmark::ClobberMemory();
  }
  set_rates(state, pool_cost(n * 32 * 32 * c, n * 16 * 16 * c));
}

void global_pool_float(benchmark::State& state) {
  const int64_t n = state.range(0), c = state.range(1);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(2)));
  std::vector<float> x(n * 64 * c, 0.5f), y(n * c);
  for (auto _ : state) {
    global_pool_forward(stream, n, 64, c, x.data(), y.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, pool_cost(n * 64 * c, n * c));
}

void axes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "channels", "threads"})->ArgsProduct({{16, 128}, {16, 64}, {1, 2}});
  b->UseRealTime();
}
BENCHMARK(average_pool_float)->Apply(axes);
BENCHMARK(average_pool_backward_float)->Apply(axes);
BENCHMARK(global_pool_float)->Apply(axes);

}  // namespace
}  // namespace basin::bench
