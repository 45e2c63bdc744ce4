// What this machine can do at most, in the same run as the kernels: the triad from the first-level
// cache to main memory, and the library's best matrix product.
#include "bench/kernels/rates.h"
#include "tools/ceilings.h"

namespace basin::bench {
namespace {

void ceiling_triad(benchmark::State& state) {
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  auto run = triad(stream, state.range(0));
  time_run(state, run, stream);
}
BENCHMARK(ceiling_triad)->Apply(sizes);

void ceiling_product(benchmark::State& state) {
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  auto run = square_product(stream, state.range(0));
  time_run(state, run, stream);
  state.SetLabel(run.description());
}
BENCHMARK(ceiling_product)
    ->ArgNames({"n", "threads"})
    ->ArgsProduct({{kProductSize}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace basin::bench
