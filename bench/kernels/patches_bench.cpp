// The last stage's images of resnet_tiny (width 16), unfolded and folded.
#include "kernels/patches.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

constexpr ConvShape kShape{128, 4, 4, 128, 128, 3, 1, 1};

void run(benchmark::State& state, bool unfolds) {
  const Stream stream = Stream::cpu(static_cast<int>(state.range(0)));
  std::vector<float> x(kShape.input_size(), 1);
  std::vector<float> patches(patch_count(kShape) * patch_size(kShape), 1);
  for (auto _ : state) {
    if (unfolds) {
      unfold(stream, kShape, x.data(), patches.data());
    } else {
      fold(stream, kShape, patches.data(), x.data(), Write::Overwrite);
    }
    benchmark::ClobberMemory();
  }
  set_rates(state, unfold_cost<float>(kShape));
}

void unfold_float(benchmark::State& state) {
  run(state, true);
}
void fold_float(benchmark::State& state) {
  run(state, false);
}

BENCHMARK(unfold_float)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(fold_float)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace basin::bench
