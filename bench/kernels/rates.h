// What every kernel bench reports beside its time, and the bench of any element functor.
#pragma once

#include <benchmark/benchmark.h>

#include <vector>

#include "tools/kernel_runs.h"

namespace basin::bench {

// Bytes and flops a second, from the constants of what ran once an iteration.
inline void set_rates(benchmark::State& state, Cost cost) {
  state.SetBytesProcessed(state.iterations() * cost.bytes());
  state.counters["flops"] =
      benchmark::Counter(static_cast<double>(state.iterations() * cost.flops),
                         benchmark::Counter::kIsRate, benchmark::Counter::OneK::kIs1000);
}

// Axes: elements from the first-level cache to main memory, and threads.
inline void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "threads"})->ArgsProduct({{1 << 12, 1 << 16, 1 << 20, 1 << 24}, {1, 2}});
  b->UseRealTime();
}

// Runs a kernel with its operands (tools/kernel_runs.h) again and again.
template <class Run>
void time_run(benchmark::State& state, Run& run, const Stream& stream) {
  for (auto _ : state) {
    run.run(stream);
    benchmark::ClobberMemory();
  }
  set_rates(state, run.cost());
}

// The functor over float arrays of its own.
template <class F>
void run_map(benchmark::State& state, const F& functor, const std::vector<int>& in_place = {}) {
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  MapRun<F> run(stream, functor, state.range(0), in_place);
  time_run(state, run, stream);
}

// One matrix product.
template <class T>
void run_gemm(benchmark::State& state, const GemmShape& shape, int threads) {
  const Stream stream = Stream::cpu(threads);
  GemmRun<T> run(stream, shape);
  time_run(state, run, stream);
  state.SetLabel(run.description());
}

}  // namespace basin::bench
