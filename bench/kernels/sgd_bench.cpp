// The descent over a whole arena: 20 bytes a parameter with momentum, 12 without.
// The step is taken in place, as in training; the weights settle where decay balances the gradient.
#include "kernels/sgd.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

const double kLr = 0.1;

void momentum_descent(benchmark::State& state) {
  run_map(state, MomentumDescent<float>{&kLr, 0.9f, 5e-4f, Nesterov::No, Decay::L2}, {0, 2});
}
void nesterov_descent(benchmark::State& state) {
  run_map(state, MomentumDescent<float>{&kLr, 0.9f, 5e-4f, Nesterov::Yes, Decay::Decoupled},
          {0, 2});
}
void plain_descent(benchmark::State& state) {
  run_map(state, PlainDescent<float>{&kLr, 5e-4f}, {0});
}

BENCHMARK(momentum_descent)->Apply(sizes);
BENCHMARK(nesterov_descent)->Apply(sizes);
BENCHMARK(plain_descent)->Apply(sizes);

}  // namespace
}  // namespace basin::bench
