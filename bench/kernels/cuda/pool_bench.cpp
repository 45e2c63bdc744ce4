// The global pool on a GPU, there and back, behind the last stage of resnet18.
#include "kernels/pool.h"

#include <array>

#include "bench/kernels/cuda/rates.h"
#include "bench/kernels/cuda/setup.h"

namespace basin::bench {
namespace {

using Axes = std::array<int64_t, 3>;  // images, positions, channels

template <class T>
struct Setup {
  int64_t n, positions, c;
  const Stream& stream = device_stream();
  RandomArray<T> x;
  RandomArray<Wide<T>> y;

  explicit Setup(const Axes& a)
      : n(a[0]), positions(a[1]), c(a[2]), x(stream, n * positions * c), y(stream, n * c) {}
  int64_t x_bytes() const { return n * positions * c * int64_t{sizeof(T)}; }
  int64_t y_bytes() const { return n * c * int64_t{sizeof(Wide<T>)}; }
  int64_t flops() const { return n * positions * c; }
};

template <class T>
Setup<T>& setup(const benchmark::State& state) {
  return kept<Setup<T>>(Axes{state.range(0), state.range(1), state.range(2)});
}

template <class T>
void cuda_global_pool_forward(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const Setup<T>& a = setup<T>(state);
  time_on(state, a.stream, {a.x_bytes(), a.y_bytes(), a.flops()},
          [&] { global_pool_forward(a.stream, a.n, a.positions, a.c, a.x.data(), a.y.data()); });
}

template <class T>
void cuda_global_pool_backward(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const Setup<T>& a = setup<T>(state);
  time_on(state, a.stream, {a.y_bytes(), a.x_bytes(), a.flops()}, [&] {
    global_pool_backward(a.stream, a.n, a.positions, a.c, a.y.data(), a.x.data(), Write::Overwrite);
  });
}

void last_stage(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "positions", "c"})->Args({128, 16, 512})->Args({128, 16, 128});
  b->UseManualTime();
}
BENCHMARK_TEMPLATE(cuda_global_pool_forward, float)->Apply(last_stage);
BENCHMARK_TEMPLATE(cuda_global_pool_forward, bfloat16)->Apply(last_stage);
BENCHMARK_TEMPLATE(cuda_global_pool_backward, float)->Apply(last_stage);
BENCHMARK_TEMPLATE(cuda_global_pool_backward, bfloat16)->Apply(last_stage);

}  // namespace
}  // namespace basin::bench
