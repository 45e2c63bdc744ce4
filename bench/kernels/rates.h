// What every kernel bench reports beside its time, and the bench of any element functor.
#pragma once

#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/map.h"

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

// The functor over float arrays of its own. in_place[k] is the input that output k lies on, as an
// optimiser's weights do; outputs without one have their own array.
template <class F>
void run_map(benchmark::State& state, const F& functor, const std::vector<int>& in_place = {}) {
  const int64_t n = state.range(0);
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  std::vector<std::vector<float>> arrays(F::reads + F::writes, std::vector<float>(n, 0.5f));
  Inputs<float, F> in{};
  Outputs<float, F> out{};
  for (int k = 0; k < F::reads; ++k) in[k] = arrays[k].data();
  for (int k = 0; k < F::writes; ++k) {
    out[k] = arrays[in_place.empty() ? F::reads + k : in_place[k]].data();
  }
  for (auto _ : state) {
    map<float>(stream, functor, n, in, out);
    benchmark::ClobberMemory();
  }
  set_rates(state, element_cost<F, float>(n));
}

}  // namespace basin::bench
