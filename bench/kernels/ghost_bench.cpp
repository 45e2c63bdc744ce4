// The ghost gradients of 128 examples, a group each: a layer of an MLP, 784 -> 256.
#include "kernels/ghost.h"

#include "bench/kernels/rates.h"
#include "engine/buffer.h"

namespace basin::bench {
namespace {

constexpr const char* kParts[] = {"keep", "output", "data"};

void run(benchmark::State& state, int part) {
  const int64_t rows = state.range(0);
  const GhostShape s{128 / rows, rows, 784, 256};
  const Stream stream = Stream::cpu(static_cast<int>(state.range(1)));
  const GhostProduct<float> ghost(stream, s);
  const Buffer kept(stream, ghost.kept_bytes()), scratch(stream, ghost.scratch_bytes());
  std::vector<float> x(s.x_size(), 1), y(s.y_size(), 1);
  std::vector<double> norms(s.groups), scales(s.groups, 1e-6);
  ghost.keep(stream, x.data(), y.data(), kept.data(), norms.data(), scratch.data());
  for (auto _ : state) {
    if (part == 0) {
      ghost.keep(stream, x.data(), y.data(), kept.data(), norms.data(), scratch.data());
    } else if (part == 1) {
      ghost.add_to_output(stream, x.data(), kept.data(), scales.data(), y.data(), scratch.data());
    } else {
      ghost.data_gradient(stream, y.data(), kept.data(), scales.data(), x.data(), Write::Overwrite,
                          scratch.data());
    }
    benchmark::ClobberMemory();
  }
  const int64_t read = (s.x_size() + s.y_size()) * int64_t{sizeof(float)};
  set_rates(state, {read, read, 2 * s.gram_size() * (s.in + s.out)});
}

const bool kAdded = [] {
  for (int part = 0; part < 3; ++part) {
    const std::string full = std::string("ghost/") + kParts[part];
    benchmark::RegisterBenchmark(full.c_str(),
                                 [part](benchmark::State& state) { run(state, part); })
        ->ArgNames({"rows", "threads"})
        ->ArgsProduct({{1, 8, 32}, {1, 2}})
        ->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace basin::bench
