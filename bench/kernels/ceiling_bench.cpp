// What this machine can do at most, in the same run as the kernels: the triad from the first-level
// cache to main memory, and the library's best matrix product.
#include <string>

#include "bench/kernels/rates.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace basin::bench {
namespace {

// Two arrays read, one written; the arithmetic costs no time.
void ceiling_triad(benchmark::State& state) {
  run_map(state, Add<float>{});
}
BENCHMARK(ceiling_triad)->Apply(sizes);

void ceiling_product(benchmark::State& state) {
  const int64_t n = state.range(0);
  const GemmShape shape{n, n, n, Transpose::No, Transpose::Yes};
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  const Gemm<float> gemm(stream, shape);
  const std::vector<float> a(n * n, 1), b(n * n, 1);
  std::vector<float> c(n * n);
  std::vector<char> memory(gemm.scratch_bytes() + 64);
  char* scratch = memory.data() + 64 - reinterpret_cast<uintptr_t>(memory.data()) % 64;
  for (auto _ : state) {
    gemm.run(stream, a.data(), b.data(), c.data(), Write::Overwrite, scratch);
    benchmark::ClobberMemory();
  }
  set_rates(state, gemm_cost<float>(shape));
}
BENCHMARK(ceiling_product)
    ->ArgNames({"n", "threads"})
    ->ArgsProduct({{1024}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace basin::bench
