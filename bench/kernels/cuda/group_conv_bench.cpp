// The convolutions of resnet18 of width 16 on a GPU, 128 examples in groups with weights of their
// own; the label names the tiles of the three passes.
#include "kernels/group_conv.h"

#include <string>
#include <utility>

#include "bench/kernels/cuda/rates.h"
#include "bench/kernels/cuda/setup.h"

namespace basin::bench {
namespace {

struct Setup {
  int64_t count;
  ConvShape shape;
  const Stream& stream = device_stream();
  GroupConv<float> conv;
  RandomArray<float> x, y, w, dw;
  Buffer scratch;

  explicit Setup(const std::pair<int64_t, ConvShape>& key)
      : count(key.first),
        shape(key.second),
        conv(stream, shape, {count, shape.weight_size()}, ConvPasses::All),
        x(stream, count * shape.input_size()),
        y(stream, count * shape.output_size()),
        w(stream, count * shape.weight_size()),
        dw(stream, count * shape.weight_size()),
        scratch(stream, conv.scratch_bytes()) {}
};

void run(benchmark::State& state, int pass) {
  if (!there_is_a_device(state)) return;
  const int64_t count = state.range(0), side = state.range(1), kernel = state.range(4);
  const ConvShape shape = {128 / count,    side,   side,           state.range(2),
                           state.range(3), kernel, state.range(5), kernel / 2};
  const Setup& s = kept<Setup>(std::pair(count, shape));
  time_on(state, s.stream, group_conv_cost<float>(shape, count), [&] {
    if (pass == 0) {
      s.conv.forward(s.stream, s.x.data(), s.w.data(), nullptr, s.y.data(), s.scratch.data());
    } else if (pass == 1) {
      s.conv.backward_data(s.stream, s.y.data(), s.w.data(), nullptr, s.x.data(), Write::Overwrite,
                           s.scratch.data());
    } else {
      s.conv.backward_filter(s.stream, s.x.data(), s.y.data(), s.dw.data(), Write::Overwrite,
                             s.scratch.data());
    }
  });
  state.SetLabel(s.conv.description());
}

const bool kAdded = [] {
  const char* names[] = {"forward", "data", "filter"};
  for (int pass = 0; pass < 3; ++pass) {
    const std::string full = std::string("cuda_group_conv_") + names[pass];
    auto* bench = benchmark::RegisterBenchmark(
        full.c_str(), [pass](benchmark::State& state) { run(state, pass); });
    bench->ArgNames({"groups", "side", "in", "out", "kernel", "stride"})->UseManualTime();
    for (const int64_t count : {8, 128}) {
      for (int64_t width = 16, side = 32; side >= 4; width *= 2, side /= 2) {
        bench->Args({count, side, width, width, 3, 1});
      }
      bench->Args({count, 8, 64, 128, 3, 2})->Args({count, 8, 64, 128, 1, 2});
    }
  }
  return true;
}();

}  // namespace
}  // namespace basin::bench
