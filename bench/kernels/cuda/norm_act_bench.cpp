// Group and batch norm with ReLU on a GPU, there and back, over the four stages of resnet18 of
// width 64, and the first of width 16.
#include "kernels/norm_act.h"

#include <array>

#include "bench/kernels/cuda/rates.h"
#include "bench/kernels/cuda/setup.h"

namespace basin::bench {
namespace {

using Axes = std::array<int64_t, 3>;  // images, side, channels

template <class T>
struct Setup {
  NormShape shape;
  const Stream& stream = device_stream();
  RandomArray<T> x, residual, sum, y;
  RandomArray<Wide<T>> gamma, beta, dgamma, dbeta, mean, rstd, variance;
  Buffer scratch;

  // A network of width w has w channels at a side of 32, and w / 2 groups at any.
  explicit Setup(const Axes& a)
      : Setup(NormShape{
            .n = a[0], .positions = a[1] * a[1], .c = a[2], .groups = a[2] * a[1] / 64}) {}

 private:
  explicit Setup(const NormShape& s)
      : shape(s),
        x(stream, s.size()),
        residual(stream, s.size()),
        sum(stream, s.size()),
        y(stream, s.size()),
        gamma(stream, s.c),
        beta(stream, s.c),
        dgamma(stream, s.c),
        dbeta(stream, s.c),
        mean(stream, std::max(s.n * s.groups, s.c)),
        rstd(stream, std::max(s.n * s.groups, s.c)),
        variance(stream, s.c),
        scratch(stream, std::max(group_norm_act_scratch<T>(stream, s),
                                 batch_norm_act_scratch<T>(stream, s))) {}
};

template <NormKind kKind, class T>
void forward(const Setup<T>& a, const T* residual) {
  if constexpr (kKind == NormKind::Group) {
    group_norm_act_forward<T>(a.stream, a.shape, a.x.data(), residual, a.gamma.data(),
                              a.beta.data(), 1e-5, Activation::Relu, a.sum.data(), a.y.data(),
                              a.mean.data(), a.rstd.data(), a.scratch.data());
  } else {
    batch_norm_act_forward<T>(a.stream, a.shape, a.x.data(), residual, a.gamma.data(),
                              a.beta.data(), 1e-5, Activation::Relu, a.sum.data(), a.y.data(),
                              a.mean.data(), a.rstd.data(), a.variance.data(), a.scratch.data());
  }
}

// dy is what `residual` holds, ds is written to y.
template <NormKind kKind, class T>
void backward(const Setup<T>& a, Write mode) {
  const auto norm_backward = [&](auto... arguments) {
    if constexpr (kKind == NormKind::Group) {
      group_norm_act_backward<T>(a.stream, a.shape, arguments...);
    } else {
      batch_norm_act_backward<T>(a.stream, a.shape, arguments...);
    }
  };
  norm_backward(a.residual.data(), a.x.data(), a.gamma.data(), a.beta.data(), a.mean.data(),
                a.rstd.data(), Activation::Relu, a.y.data(), mode, a.dgamma.data(), a.dbeta.data(),
                Write::Overwrite, a.scratch.data());
}

// The last axis: with a residual, whose gradient the one with respect to the sum is added to.
template <NormKind kKind, class T, bool kForward>
void norm(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const auto& a = kept<Setup<T>>(Axes{state.range(0), state.range(1), state.range(2)});
  const bool residual = state.range(3) != 0;
  if constexpr (kForward) {
    time_on(state, a.stream, norm_act_forward_cost<T>(kKind, a.shape, residual),
            [&] { forward<kKind>(a, residual ? a.residual.data() : nullptr); });
  } else {
    forward<kKind, T>(a, nullptr);  // for the statistics
    const Write mode = residual ? Write::Accumulate : Write::Overwrite;
    time_on(state, a.stream, norm_act_backward_cost<T>(kKind, a.shape, mode),
            [&] { backward<kKind>(a, mode); });
  }
}

// Each image with parameters, and gradients of them, of its own.
template <bool kForward>
void of_groups(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const auto& a = kept<Setup<float>>(Axes{state.range(0), state.range(1), state.range(2)});
  const ParameterGroups groups{a.shape.n, a.shape.c};
  const int64_t size = groups.count * groups.stride;
  const RandomArray<float> gamma(a.stream, size), dgamma(a.stream, size), dbeta(a.stream, size);
  const auto forward = [&] {
    group_norm_act_forward<float>(a.stream, a.shape, a.x.data(), nullptr, gamma.data(),
                                  gamma.data(), 1e-5, Activation::Relu, nullptr, a.y.data(),
                                  a.mean.data(), a.rstd.data(), a.scratch.data(), groups);
  };
  if constexpr (kForward) {
    const Cost cost = norm_act_forward_cost<float>(NormKind::Group, a.shape, false);
    return time_on(state, a.stream, cost, forward);
  }
  forward();  // for the statistics
  const Cost cost = norm_act_backward_cost<float>(NormKind::Group, a.shape, Write::Overwrite);
  time_on(state, a.stream, cost, [&] {
    group_norm_act_backward<float>(a.stream, a.shape, a.residual.data(), a.x.data(), gamma.data(),
                                   gamma.data(), a.mean.data(), a.rstd.data(), Activation::Relu,
                                   a.y.data(), Write::Overwrite, dgamma.data(), dbeta.data(),
                                   Write::Overwrite, a.scratch.data(), groups, groups);
  });
}
void cuda_groups_norm_forward(benchmark::State& state) {
  of_groups<true>(state);
}
void cuda_groups_norm_backward(benchmark::State& state) {
  of_groups<false>(state);
}

template <class T>
void cuda_group_norm_forward(benchmark::State& state) {
  norm<NormKind::Group, T, true>(state);
}
template <class T>
void cuda_group_norm_backward(benchmark::State& state) {
  norm<NormKind::Group, T, false>(state);
}
template <class T>
void cuda_batch_norm_forward(benchmark::State& state) {
  norm<NormKind::Batch, T, true>(state);
}
template <class T>
void cuda_batch_norm_backward(benchmark::State& state) {
  norm<NormKind::Batch, T, false>(state);
}

void stages(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "side", "c", "residual"})->UseManualTime();
  for (const int64_t residual : {0, 1}) {
    for (int64_t side = 32; side >= 4; side /= 2) b->Args({128, side, 2048 / side, residual});
    b->Args({128, 32, 16, residual});
  }
}
BENCHMARK_TEMPLATE(cuda_group_norm_forward, float)->Apply(stages);
BENCHMARK_TEMPLATE(cuda_group_norm_forward, bfloat16)->Apply(stages);
BENCHMARK_TEMPLATE(cuda_group_norm_backward, float)->Apply(stages);
BENCHMARK_TEMPLATE(cuda_group_norm_backward, bfloat16)->Apply(stages);
BENCHMARK(cuda_groups_norm_forward)
    ->ArgNames({"n", "side", "c"})
    ->Args({128, 32, 16})
    ->Args({128, 8, 64})
    ->UseManualTime();
BENCHMARK(cuda_groups_norm_backward)
    ->ArgNames({"n", "side", "c"})
    ->Args({128, 32, 16})
    ->Args({128, 8, 64})
    ->UseManualTime();
BENCHMARK_TEMPLATE(cuda_batch_norm_forward, float)->Apply(stages);
BENCHMARK_TEMPLATE(cuda_batch_norm_forward, bfloat16)->Apply(stages);
BENCHMARK_TEMPLATE(cuda_batch_norm_backward, float)->Apply(stages);
BENCHMARK_TEMPLATE(cuda_batch_norm_backward, bfloat16)->Apply(stages);

}  // namespace
}  // namespace basin::bench
