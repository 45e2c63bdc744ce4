// Products of the linear layers: forward (x w^T), data gradient (dy w), weight gradient (dy^T x).
#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

// Axes: examples, outputs, inputs, which of the three, threads.
template <class T>
void gemm(benchmark::State& state) {
  const int64_t n = state.range(0), out = state.range(1), in = state.range(2);
  const GemmShape shapes[] = {{n, out, in, Transpose::No, Transpose::Yes},
                              {n, in, out, Transpose::No, Transpose::No},
                              {out, in, n, Transpose::Yes, Transpose::No}};
  run_gemm<T>(state, shapes[state.range(3)], static_cast<int>(state.range(4)));
}

void axes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "out", "in", "product", "threads"});
  b->ArgsProduct({{32, 128}, {10}, {128}, {0, 1, 2}, {1, 2}});
  b->ArgsProduct({{128}, {10, 16}, {3072}, {0, 1, 2}, {1, 2}});  // straight from images
  b->ArgsProduct({{128}, {512}, {784}, {0, 1, 2}, {1, 2}});
  b->UseRealTime();
}

BENCHMARK_TEMPLATE(gemm, float)->Apply(axes);
BENCHMARK_TEMPLATE(gemm, double)->Apply(axes);

}  // namespace
}  // namespace basin::bench
