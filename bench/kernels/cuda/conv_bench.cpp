// The convolutions of resnet18 of widths 64 and 16 on a GPU, pass by pass; the label names the
// engines of the three (forward | data | filter).
#include "kernels/conv.h"

#include <string>
#include <utility>

#include "bench/kernels/cuda/rates.h"
#include "bench/kernels/cuda/setup.h"
#include "kernels/error.h"

namespace basin::bench {
namespace {

enum class Pass { Forward, Data, Filter };

// The images need no gradient.
bool is_stem(const ConvShape& s) {
  return s.c_in == 3;
}

// What the passes of one convolution share; dx is written to x, whatever was there.
template <class T>
struct Setup {
  ConvShape shape;
  const Stream& stream;
  Conv<T> conv;
  RandomArray<T> x, y;
  RandomArray<Wide<T>> w, dw;
  Buffer packed, scratch;

  explicit Setup(const std::pair<ConvShape, Tf32>& key)
      : shape(key.first),
        stream(device_stream(key.second)),
        conv(stream, shape, is_stem(shape) ? ConvPasses::ForwardAndFilter : ConvPasses::All),
        x(stream, shape.input_size()),
        y(stream, shape.output_size()),
        w(stream, shape.weight_size()),
        dw(stream, std::max(conv.packed_gradient_size(), shape.weight_size())),
        packed(stream, conv.packed_bytes()),
        scratch(stream, conv.scratch_bytes()) {
    conv.pack(stream, w.data(), packed.data());
  }

  void run(Pass pass) const {
    switch (pass) {
      case Pass::Forward:
        return conv.forward(stream, x.data(), w.data(), packed.data(), y.data(), scratch.data());
      case Pass::Data:
        return conv.backward_data(stream, y.data(), w.data(), packed.data(), x.data(),
                                  Write::Overwrite, scratch.data());
      case Pass::Filter:
        return conv.backward_filter(stream, x.data(), y.data(), dw.data(), Write::Overwrite,
                                    scratch.data());
    }
  }
};

template <class T>
void run(benchmark::State& state, Pass pass, Tf32 tf32) {
  if (!there_is_a_device(state)) return;
  const int64_t side = state.range(1), kernel = state.range(4);
  const ConvShape shape = {state.range(0), side,   side,           state.range(2),
                           state.range(3), kernel, state.range(5), kernel / 2};
  try {
    const Setup<T>& setup = kept<Setup<T>>(std::pair(shape, tf32));
    time_on(state, setup.stream, conv_cost<T>(shape), [&] { setup.run(pass); });
    state.SetLabel(setup.conv.description());
  } catch (const Error& error) {  // the library has no engine for it
    state.SkipWithError(error.what());
  }
}

using Run = void (*)(benchmark::State&, Pass, Tf32);

struct Precision {
  std::string name;
  Run run;
  Tf32 tf32;
};

void add(int64_t side, int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  const Precision precisions[] = {{"float", run<float>, Tf32::No},
                                  {"tf32", run<float>, Tf32::Yes},
                                  {"bfloat16", run<bfloat16>, Tf32::No}};
  const std::pair<const char*, Pass> passes[] = {
      {"forward", Pass::Forward}, {"data", Pass::Data}, {"filter", Pass::Filter}};
  for (const Precision& precision : precisions) {
    for (const auto& [name, pass] : passes) {
      if (pass == Pass::Data && in == 3) continue;
      const std::string full = std::string("cuda_conv_") + name + "<" + precision.name + ">";
      benchmark::RegisterBenchmark(
          full.c_str(), [run = precision.run, tf32 = precision.tf32,
                         pass = pass](benchmark::State& state) { run(state, pass, tf32); })
          ->ArgNames({"n", "side", "in", "out", "kernel", "stride"})
          ->Args({128, side, in, out, kernel, stride})
          ->UseManualTime();
    }
  }
}

const bool kAdded = [] {
  for (const int64_t width : {64, 16}) {
    add(32, 3, width, 3, 1);
    add(32, width, width, 3, 1);
    for (int64_t in = width, side = 32; side > 4; in *= 2, side /= 2) {
      add(side, in, 2 * in, 3, 2);
      add(side, in, 2 * in, 1, 2);  // the shortcut
      add(side / 2, 2 * in, 2 * in, 3, 1);
    }
  }
  return true;
}();

}  // namespace
}  // namespace basin::bench
