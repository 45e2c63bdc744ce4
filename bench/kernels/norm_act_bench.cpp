// Group and batch norm with ReLU, forward and backward, one thread, over the stages of a ResNet of
// width 16; beside them a triad of as many bytes, which is what the cache can deliver.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <vector>

#include "kernels/norm_act.h"

namespace basin {
namespace {

NormShape shape_of(const benchmark::State& state) {
  const int64_t side = state.range(1);
  return {.n = state.range(0), .positions = side * side, .c = state.range(2), .groups = 8};
}

void set_cost(benchmark::State& state, Cost cost) {
  state.SetBytesProcessed(state.iterations() * cost.bytes());
  state.counters["flops"] =
      benchmark::Counter(static_cast<double>(state.iterations() * cost.flops),
                         benchmark::Counter::kIsRate, benchmark::Counter::OneK::kIs1000);
}

struct Arrays {
  NormShape shape;
  Stream stream = Stream::cpu(1);
  std::vector<float> x, residual, sum, y, parameters;
  std::vector<double> scratch;
  float *gamma, *beta, *mean, *rstd, *variance, *dgamma, *dbeta;
  explicit Arrays(const NormShape& s)
      : shape(s),
        x(s.size()),
        residual(s.size(), 0.5f),
        sum(s.size()),
        y(s.size()),
        parameters(5 * s.c + 2 * std::max(s.n * s.groups, s.c), 1.0f),
        scratch(8 +
                (group_norm_act_scratch<float>(s, 1) + batch_norm_act_scratch<float>(s, 1)) / 8) {
    for (float& v : x) v = static_cast<float>(std::rand()) / RAND_MAX - 0.5f;
    gamma = parameters.data();
    beta = gamma + s.c;
    variance = beta + s.c;
    dgamma = variance + s.c;
    dbeta = dgamma + s.c;
    mean = dbeta + s.c;
    rstd = mean + std::max(s.n * s.groups, s.c);
    for (int64_t j = 0; j < s.c; ++j) beta[j] = 0;
  }
};

template <bool kResidual>
void group_forward(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    group_norm_act_forward(a.stream, a.shape, a.x.data(), kResidual ? a.residual.data() : nullptr,
                           a.gamma, a.beta, 1e-5, Activation::Relu, a.sum.data(), a.y.data(),
                           a.mean, a.rstd, a.scratch.data());
  }
  set_cost(state, norm_act_forward_cost<float>(NormKind::Group, a.shape, kResidual));
}

template <Write kMode>
void group_backward(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    group_norm_act_backward(a.stream, a.shape, a.residual.data(), a.x.data(), a.gamma, a.beta,
                            a.mean, a.rstd, Activation::Relu, a.y.data(), kMode, a.dgamma, a.dbeta,
                            Write::Overwrite, a.scratch.data());
  }
  set_cost(state, norm_act_backward_cost<float>(NormKind::Group, a.shape, kMode));
}

void batch_forward(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    batch_norm_act_forward<float>(a.stream, a.shape, a.x.data(), nullptr, a.gamma, a.beta, 1e-5,
                                  Activation::Relu, nullptr, a.y.data(), a.mean, a.rstd, a.variance,
                                  a.scratch.data());
  }
  set_cost(state, norm_act_forward_cost<float>(NormKind::Batch, a.shape, false));
}

void batch_backward(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    batch_norm_act_backward(a.stream, a.shape, a.residual.data(), a.x.data(), a.gamma, a.beta,
                            a.mean, a.rstd, Activation::Relu, a.y.data(), Write::Overwrite,
                            a.dgamma, a.dbeta, Write::Overwrite, a.scratch.data());
  }
  set_cost(state, norm_act_backward_cost<float>(NormKind::Batch, a.shape, Write::Overwrite));
}

// sum = x + 2 residual, image by image.
void triad(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    const float *x = a.x.data(), *r = a.residual.data();
    float* y = a.y.data();
#pragma omp simd
    for (int64_t i = 0; i < a.shape.size(); ++i) y[i] = x[i] + 2 * r[i];
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * 3 * a.shape.size() * int64_t{sizeof(float)});
}

// Images, side, channels.
void stages(benchmark::internal::Benchmark* b) {
  for (const int64_t n : {1, 32}) {
    b->Args({n, 32, 16})->Args({n, 16, 32})->Args({n, 8, 64})->Args({n, 4, 128});
  }
}
BENCHMARK(group_forward<false>)->Apply(stages);
BENCHMARK(group_forward<true>)->Apply(stages);
BENCHMARK(group_backward<Write::Overwrite>)->Apply(stages);
BENCHMARK(group_backward<Write::Accumulate>)->Apply(stages);
BENCHMARK(batch_forward)->Apply(stages);
BENCHMARK(batch_backward)->Apply(stages);
BENCHMARK(triad)->Apply(stages);

}  // namespace
}  // namespace basin
