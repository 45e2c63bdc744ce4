// Conversions on a GPU: of the weights of a convolution, in the first and the last stage of
// resnet18 of width 64, and of the images between the convolutions of the first.
#include "kernels/convert.h"

#include "bench/kernels/cuda/rates.h"
#include "bench/kernels/cuda/setup.h"

namespace basin::bench {
namespace {

template <class From, class To>
void cuda_convert(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const Stream& stream = device_stream();
  const int64_t n = state.range(0);
  const RandomArray<From> x(stream, n);
  const RandomArray<To> y(stream, n);
  time_on(state, stream, convert_cost<From, To>(n, Write::Overwrite),
          [&] { convert(stream, n, x.data(), y.data(), Write::Overwrite); });
}

void arrays(benchmark::internal::Benchmark* b) {
  b->ArgName("n")->Arg(64 * 9 * 64)->Arg(512 * 9 * 512)->Arg(128 * 32 * 32 * 64)->UseManualTime();
}
BENCHMARK_TEMPLATE(cuda_convert, float, bfloat16)->Apply(arrays);
BENCHMARK_TEMPLATE(cuda_convert, bfloat16, float)->Apply(arrays);

}  // namespace
}  // namespace basin::bench
