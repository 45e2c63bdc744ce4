// What this machine can do at most, in the same run as the kernels: the triad from the first-level
// cache to main memory, and the library's best matrix product.
#include "bench/kernels/gemm_run.h"
#include "kernels/elementwise.h"

namespace basin::bench {
namespace {

// Two arrays read, one written; the arithmetic costs no time.
void ceiling_triad(benchmark::State& state) {
  run_map(state, Add<float>{});
}
BENCHMARK(ceiling_triad)->Apply(sizes);

void ceiling_product(benchmark::State& state) {
  const int64_t n = state.range(0);
  run_gemm<float>(state, {n, n, n, Transpose::No, Transpose::Yes},
                  static_cast<int>(state.range(1)));
}
BENCHMARK(ceiling_product)
    ->ArgNames({"n", "threads"})
    ->ArgsProduct({{1024}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace basin::bench
