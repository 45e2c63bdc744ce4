// Softmax cross-entropy on a GPU, value and gradient.
#include "kernels/loss.h"

#include "bench/kernels/cuda/rates.h"
#include "bench/kernels/cuda/setup.h"

namespace basin::bench {
namespace {

void cuda_cross_entropy(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const Stream& stream = device_stream();
  const int64_t n = state.range(0), classes = state.range(1);
  const RandomArray<float> z(stream, n * classes), dz(stream, n * classes), results(stream, 2);
  std::vector<int32_t> random(n);
  for (size_t i = 0; i < random.size(); ++i) {
    const Philox4 bits = philox_at(0, Purpose::Data, 1, i);
    random[i] = static_cast<int32_t>(bounded(bits, static_cast<uint32_t>(classes)));
  }
  const Buffer labels(stream, n * int64_t{sizeof(int32_t)});
  copy_to_device(stream, labels.data(), random.data(), labels.bytes());
  const Buffer scratch(stream, cross_entropy_scratch(n));
  time_on(state, stream, cross_entropy_cost<float>(n, classes), [&] {
    cross_entropy(stream, n, classes, z.data(), reinterpret_cast<const int32_t*>(labels.data()),
                  results.data(), results.data() + 1, dz.data(), scratch.data());
  });
}

BENCHMARK(cuda_cross_entropy)
    ->ArgNames({"n", "classes"})
    ->Args({128, 10})
    ->Args({128, 100})
    ->UseManualTime();

}  // namespace
}  // namespace basin::bench
