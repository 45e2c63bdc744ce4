// One matrix product, timed.
#pragma once

#include <string>

#include "bench/kernels/rates.h"
#include "kernels/gemm.h"

namespace basin::bench {

template <class T>
void run_gemm(benchmark::State& state, const GemmShape& s, int threads) {
  const Stream stream = Stream::cpu(threads);
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

}  // namespace basin::bench
