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

// A layer whose groups of examples have weights of their own: 128 examples in all.
void gemm_of_groups(benchmark::State& state) {
  const int64_t count = state.range(0), m = 128 / count, out = state.range(1), in = state.range(2);
  const GemmShape shapes[] = {{m, out, in, Transpose::No, Transpose::Yes},
                              {m, in, out, Transpose::No, Transpose::No},
                              {out, in, m, Transpose::Yes, Transpose::No}};
  const int64_t weights = out * in;
  const GemmBatch batches[] = {{count, m * in, weights, m * out},
                               {count, m * out, weights, m * in},
                               {count, m * out, m * in, weights}};
  const GemmShape& s = shapes[state.range(3)];
  const GemmBatch& batch = batches[state.range(3)];
  const Stream stream = Stream::cpu(static_cast<int>(state.range(4)));
  const Gemm<float> gemm(stream, s, batch);
  const std::vector<float> a(s.m * s.k * count, 0.5f), b(s.k * s.n * count, 0.25f);
  std::vector<float> c(s.m * s.n * count);
  const Buffer scratch(stream, gemm.scratch_bytes());
  for (auto _ : state) {
    gemm.run(stream, a.data(), b.data(), c.data(), Write::Overwrite, scratch.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, gemm_cost<float>(s, batch));
  state.SetLabel(gemm.description());
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
BENCHMARK(gemm_of_groups)
    ->ArgNames({"groups", "out", "in", "product", "threads"})
    ->ArgsProduct({{8, 128}, {512}, {784}, {0, 1, 2}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace basin::bench
