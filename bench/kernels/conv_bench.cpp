// The convolutions of resnet_tiny (width 16) on a chunk, pass by pass; the label says what ran.
#include "kernels/conv.h"

#include <string>

#include "bench/kernels/rates.h"
#include "kernels/simd.h"

namespace basin::bench {
namespace {

struct Layer {
  const char* name;
  int64_t side, c_in, c_out, kernel, stride;
};
constexpr Layer kLayers[] = {
    {"first", 32, 3, 16, 3, 1},       {"16", 32, 16, 16, 3, 1},
    {"32", 16, 32, 32, 3, 1},         {"64", 8, 64, 64, 3, 1},
    {"128", 4, 128, 128, 3, 1},       {"16-32", 32, 16, 32, 3, 2},
    {"32-64", 16, 32, 64, 3, 2},      {"64-128", 8, 64, 128, 3, 2},
    {"shortcut16", 32, 16, 32, 1, 2}, {"shortcut32", 16, 32, 64, 1, 2},
    {"shortcut64", 8, 64, 128, 1, 2}, {"narrow_shortcut", 32, 8, 16, 1, 2},
};

// 64-byte aligned memory; zero bytes are allowed.
std::vector<char> memory_of(int64_t bytes, char*& start) {
  std::vector<char> memory(bytes + 64);
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  start = memory.data() + (round_up<uintptr_t>(address, 64) - address);
  return memory;
}

enum class Pass { Forward, Data, Filter, Pack };

template <class T>
void run(benchmark::State& state, const Layer& layer, Pass pass, ConvAlgorithm algorithm) {
  const ConvShape s = {state.range(0), layer.side,   layer.side,   layer.c_in,
                       layer.c_out,    layer.kernel, layer.stride, layer.kernel / 2};
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  const Conv<T> conv(stream, s, ConvPasses::All, algorithm);
  char *packed, *scratch;
  const auto packed_memory = memory_of(conv.packed_bytes(), packed);
  const auto scratch_memory = memory_of(conv.scratch_bytes(), scratch);
  std::vector<T> x(s.input_size(), T(1)), y(s.output_size(), T(1));
  std::vector<Wide<T>> w(s.weight_size(), 1);
  std::vector<Wide<T>> dw(std::max(conv.packed_gradient_size(), s.weight_size()));
  conv.pack(stream, w.data(), packed);
  for (auto _ : state) {
    switch (pass) {
      case Pass::Forward:
        conv.forward(stream, x.data(), w.data(), packed, y.data(), scratch);
        break;
      case Pass::Data:
        conv.backward_data(stream, y.data(), w.data(), packed, x.data(), Write::Overwrite, scratch);
        break;
      case Pass::Filter:
        conv.backward_filter(stream, x.data(), y.data(), dw.data(), Write::Overwrite, scratch);
        break;
      case Pass::Pack:
        conv.pack(stream, w.data(), packed);
        break;
    }
    benchmark::ClobberMemory();
  }
  if (pass != Pass::Pack) set_rates(state, conv_cost<T>(s));
  state.SetLabel(conv.description());
}

template <class T>
void add(const std::string& type, ConvAlgorithm algorithm) {
  const std::pair<const char*, Pass> passes[] = {{"forward", Pass::Forward},
                                                 {"data", Pass::Data},
                                                 {"filter", Pass::Filter},
                                                 {"pack", Pass::Pack}};
  for (const Layer& layer : kLayers) {
    for (const auto& [name, pass] : passes) {
      const std::string full = "conv_" + type + "/" + layer.name + "/" + name;
      benchmark::RegisterBenchmark(full.c_str(),
                                   [&layer, algorithm, pass = pass](benchmark::State& state) {
                                     run<T>(state, layer, pass, algorithm);
                                   })
          ->ArgNames({"n", "threads"})
          ->ArgsProduct({{32, 128}, {1, 2}})
          ->UseRealTime();
    }
  }
}

const bool kAdded = [] {
  add<float>("float", ConvAlgorithm::Auto);
  add<float>("direct", ConvAlgorithm::Direct);
  add<double>("double", ConvAlgorithm::Auto);
  if (cpu::has_bfloat16()) add<bfloat16>("bfloat16", ConvAlgorithm::Auto);
  return true;
}();

}  // namespace
}  // namespace basin::bench
