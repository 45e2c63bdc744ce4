// The convolutions of resnet_tiny (width 16) on 128 examples, in groups with weights of their own;
// beside them, with one group, the batch's.
#include "kernels/group_conv.h"

#include <string>

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

struct Layer {
  const char* name;
  int64_t side, c_in, c_out, kernel, stride;
};
constexpr Layer kLayers[] = {{"16", 32, 16, 16, 3, 1},
                             {"64", 8, 64, 64, 3, 1},
                             {"128", 4, 128, 128, 3, 1},
                             {"64-128", 8, 64, 128, 3, 2},
                             {"shortcut64", 8, 64, 128, 1, 2}};
constexpr const char* kPasses[] = {"forward", "data", "filter", "pack"};

void run(benchmark::State& state, const Layer& layer, int pass) {
  const int64_t count = state.range(0);
  const ConvShape s = {128 / count, layer.side,   layer.side,   layer.c_in,
                       layer.c_out, layer.kernel, layer.stride, layer.kernel / 2};
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  const ParameterGroups groups{count, s.weight_size()};
  const GroupConv<float> conv(stream, s, groups, ConvPasses::All);
  const Buffer packed(stream, conv.packed_bytes()), scratch(stream, conv.scratch_bytes());
  std::vector<float> x(count * s.input_size(), 1), y(count * s.output_size(), 1);
  std::vector<float> w(count * s.weight_size(), 1), dw(w.size());
  conv.pack(stream, w.data(), packed.data());
  for (auto _ : state) {
    if (pass == 0)
      conv.forward(stream, x.data(), w.data(), packed.data(), y.data(), scratch.data());
    if (pass == 1) {
      conv.backward_data(stream, y.data(), w.data(), packed.data(), x.data(), Write::Overwrite,
                         scratch.data());
    }
    if (pass == 2) {
      conv.backward_filter(stream, x.data(), y.data(), dw.data(), Write::Overwrite, scratch.data());
    }
    if (pass == 3) conv.pack(stream, w.data(), packed.data());
    benchmark::ClobberMemory();
  }
  if (pass < 3) set_rates(state, group_conv_cost<float>(s, count));
  state.SetLabel(conv.description());
}

const bool kAdded = [] {
  for (const Layer& layer : kLayers) {
    for (int pass = 0; pass < 4; ++pass) {
      const std::string full = std::string("group_conv/") + layer.name + "/" + kPasses[pass];
      benchmark::RegisterBenchmark(
          full.c_str(), [&layer, pass](benchmark::State& state) { run(state, layer, pass); })
          ->ArgNames({"groups", "threads"})
          ->ArgsProduct({{1, 8, 128}, {1, 2}})
          ->UseRealTime();
    }
  }
  return true;
}();

}  // namespace
}  // namespace basin::bench
