// How a kernel on a GPU is timed: many launches of it in one graph, so that no launch is waited
// for.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>

#include "bench/kernels/rates.h"
#include "kernels/graph.h"

namespace basin::bench {

// Elements from what the second-level cache holds to 11 million parameters and beyond.
inline void device_sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("n")->RangeMultiplier(4)->Range(1 << 16, 1 << 26)->UseManualTime();
}

inline constexpr int kLaunches = 20;

// Times body(), which puts kernels of this cost on the stream.
template <class Body>
void time_on(benchmark::State& state, const Stream& stream, Cost cost, const Body& body) {
  body();  // what the driver loads at a first launch
  const Graph graph = Graph::capture(stream, [&] {
    for (int i = 0; i < kLaunches; ++i) body();
  });
  graph.launch(stream);
  stream.synchronize();
  while (state.KeepRunningBatch(kLaunches)) {
    const auto start = std::chrono::steady_clock::now();
    graph.launch(stream);
    stream.synchronize();
    const std::chrono::duration<double> all = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(all.count());
  }
  set_rates(state, cost);
}

// The name of every such benchmark begins with "cuda"; without a device it is skipped by an error.
inline bool there_is_a_device(benchmark::State& state) {
  if (cuda_device_count() > 0) return true;
  state.SkipWithError("there is no CUDA device");
  return false;
}

}  // namespace basin::bench
