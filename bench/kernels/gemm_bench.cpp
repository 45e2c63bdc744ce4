// Products of the linear layers: forward (x w^T), data gradient (dy w), weight gradient (dy^T x).
#include "kernels/gemm.h"

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
  const GemmShape& s = shapes[state.range(3)];
  const Stream stream = Stream::cpu(static_cast<int>(state.range(4)));
  const Gemm<T> gemm(stream, s);
  const std::vector<T> a(s.m * s.k, 1), b(s.k * s.n, 1);
  std::vector<T> c(s.m * s.n);
  std::vector<char> memory(gemm.scratch_bytes() + 64);
  char* scratch = memory.data() + 64 - reinterpret_cast<uintptr_t>(memory.data()) % 64;
  for (auto _ : state) {
    gemm.run(stream, a.data(), b.data(), c.data(), Write::Overwrite, scratch);
    benchmark::ClobberMemory();
  }
  set_rates(state, gemm_cost<T>(s));
  state.SetLabel(to_string(s) + " " + gemm.description());
}

void axes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "out", "in", "product", "threads"});
  b->ArgsProduct({{32, 128}, {10}, {128}, {0, 1, 2}, {1, 2}});
  b->ArgsProduct({{128}, {512}, {784}, {0, 1, 2}, {1, 2}});
  b->UseRealTime();
}

BENCHMARK_TEMPLATE(gemm, float)->Apply(axes);
BENCHMARK_TEMPLATE(gemm, double)->Apply(axes);

}  // namespace
}  // namespace basin::bench
