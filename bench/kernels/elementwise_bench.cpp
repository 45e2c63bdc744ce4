// The element functors of the tape. Copy is the floor: what a pass over memory costs at the least.
#include "kernels/elementwise.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

void copy(benchmark::State& state) {
  run_map(state, Copy<float>{});
}
void fill(benchmark::State& state) {
  run_map(state, Fill<float>{1.0f});
}
void add(benchmark::State& state) {
  run_map(state, Add<float>{});
}
void accumulate(benchmark::State& state) {
  run_map(state, Accumulated<float, Copy<float>>{});
}
void relu_forward(benchmark::State& state) {
  run_map(state, Relu<float>::Forward{});
}
void relu_backward(benchmark::State& state) {
  run_map(state, Relu<float>::Backward{});
}
void softplus_forward(benchmark::State& state) {
  run_map(state, Softplus<float>::Forward{1.0f});
}
void softplus_backward(benchmark::State& state) {
  run_map(state, Softplus<float>::Backward{1.0f});
}

BENCHMARK(copy)->Apply(sizes);
BENCHMARK(fill)->Apply(sizes);
BENCHMARK(add)->Apply(sizes);
BENCHMARK(accumulate)->Apply(sizes);
BENCHMARK(relu_forward)->Apply(sizes);
BENCHMARK(relu_backward)->Apply(sizes);
BENCHMARK(softplus_forward)->Apply(sizes);
BENCHMARK(softplus_backward)->Apply(sizes);

}  // namespace
}  // namespace basin::bench
