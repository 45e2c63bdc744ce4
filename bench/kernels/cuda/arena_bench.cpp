// The optimiser's kernels on a GPU, over whole arenas, beside a copy of as many bytes.
#include "bench/kernels/cuda/rates.h"
#include "bench/kernels/cuda/setup.h"
#include "kernels/reduce.h"
#include "kernels/sam_groups.h"
#include "kernels/sgd.h"

namespace basin::bench {
namespace {

template <class F>
void functor(benchmark::State& state, const std::function<F(const double* scalars)>& make,
             const std::vector<int>& in_place = {}) {
  if (!there_is_a_device(state)) return;
  const Stream& stream = device_stream();
  const Buffer scalars(stream, 2 * int64_t{sizeof(double)});
  const double values[] = {0.1, 4.0};
  copy_to_device(stream, scalars.data(), values, scalars.bytes());
  MapRun<F> run(stream, make(reinterpret_cast<const double*>(scalars.data())), state.range(0),
                in_place);
  time_on(state, stream, run.cost(), [&] { run.run(stream); });
}

void cuda_copy(benchmark::State& state) {
  functor<Copy<float>>(state, [](const double*) { return Copy<float>{}; });
}
void cuda_sam_ascent(benchmark::State& state) {
  functor<SamAscent<float>>(state, [](const double* s) {
    return SamAscent<float>{s + 1, s, Normalise::Yes};
  });
}
void cuda_momentum_descent(benchmark::State& state) {
  functor<MomentumDescent<float>>(
      state,
      [](const double* s) {
        return MomentumDescent<float>{s, 0.9F, 5e-4F, Nesterov::No, Decay::L2};
      },
      {0, 2});
}
void cuda_squared_norm(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const Stream& stream = device_stream();
  const int64_t n = state.range(0);
  const RandomArray<float> x(stream, n);
  const Buffer partials(stream, (reduce_partials(n) + 1) * int64_t{sizeof(double)});
  auto* sums = reinterpret_cast<double*>(partials.data());
  time_on(state, stream, element_cost<SquareTerm, float>(n),
          [&] { squared_norm(stream, n, x.data(), sums + 1, sums); });
}

// 128 groups of a small network's parameters.
void cuda_squared_norms(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const Stream& stream = device_stream();
  const int64_t n = state.range(1);
  const ParameterGroups groups{state.range(0), round_up<int64_t>(n, 16)};
  const RandomArray<float> x(stream, groups.count * groups.stride);
  const Buffer memory(stream, groups.count * (reduce_partials(n) + 1) * int64_t{sizeof(double)});
  auto* norms = reinterpret_cast<double*>(memory.data());
  time_on(state, stream, element_cost<SquareTerm, float>(groups.count * n),
          [&] { squared_norms(stream, groups, n, x.data(), norms + groups.count, norms); });
}

void cuda_sam_ascent_groups(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const Stream& stream = device_stream();
  const int64_t n = state.range(1);
  const ParameterGroups groups{state.range(0), round_up<int64_t>(n, 16)};
  const RandomArray<float> w(stream, n), g(stream, groups.count * groups.stride);
  const RandomArray<float> points(stream, groups.count * groups.stride);
  const std::vector<double> values(groups.count + 1, 4.0);
  const Buffer scalars(stream, (groups.count + 1) * int64_t{sizeof(double)});
  copy_to_device(stream, scalars.data(), values.data(), scalars.bytes());
  const auto* norms = reinterpret_cast<const double*>(scalars.data());
  time_on(state, stream, sam_ascent_groups_cost<float>(groups.count, n), [&] {
    sam_ascent_groups(stream, groups, n, w.data(), g.data(), norms, norms + groups.count,
                      Normalise::Yes, points.data());
  });
}

BENCHMARK(cuda_sam_ascent_groups)->ArgNames({"groups", "n"})->Args({128, 300'000})->UseManualTime();
BENCHMARK(cuda_squared_norms)->ArgNames({"groups", "n"})->Args({128, 300'000})->UseManualTime();
BENCHMARK(cuda_copy)->Apply(device_sizes);
BENCHMARK(cuda_sam_ascent)->Apply(device_sizes);
BENCHMARK(cuda_momentum_descent)->Apply(device_sizes);
BENCHMARK(cuda_squared_norm)->Apply(device_sizes);

}  // namespace
}  // namespace basin::bench
