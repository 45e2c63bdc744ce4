// Group and batch norm with ReLU, forward and backward, one thread, over the stages of a ResNet of
// width 16; beside them a triad of as many bytes, which is what the cache can deliver.
#include "kernels/norm_act.h"

#include <algorithm>
#include <vector>

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

NormShape shape_of(const benchmark::State& state) {
  const int64_t side = state.range(1);
  return {.n = state.range(0), .positions = side * side, .c = state.range(2), .groups = 8};
}

// 64-byte aligned, as the plan's buffers are, and not a multiple of a page apart.
struct Arrays {
  NormShape shape;
  Stream stream = Stream::cpu(1);
  std::vector<float> memory;
  float *x, *residual, *sum, *y, *gamma, *beta, *variance, *dgamma, *dbeta, *mean, *rstd;
  void* scratch;
  explicit Arrays(const NormShape& s) : shape(s) {
    const int64_t stats = std::max(s.n * s.groups, s.c);
    const int64_t bytes = group_norm_act_scratch<float>(s, 1) + batch_norm_act_scratch<float>(s, 1);
    memory.resize(4 * (s.size() + 48) + 5 * (s.c + 48) + 2 * (stats + 48) + bytes / 4 + 48);
    char* next = reinterpret_cast<char*>(memory.data());
    const auto take = [&](int64_t n) {
      next += 64 - reinterpret_cast<uintptr_t>(next) % 64;
      float* taken = reinterpret_cast<float*>(next);
      next += (n + 32) * int64_t{sizeof(float)};
      return taken;
    };
    for (float** p : {&x, &residual, &sum, &y}) *p = take(s.size());
    for (float** p : {&gamma, &beta, &variance, &dgamma, &dbeta}) *p = take(s.c);
    for (float** p : {&mean, &rstd}) *p = take(stats);
    scratch = take(0);
    for (int64_t i = 0; i < s.size(); ++i) {
      x[i] = static_cast<float>(i * 7919 % 1009) / 500 - 1;
      residual[i] = static_cast<float>(i * 104729 % 997) / 500 - 1;
    }
    std::fill_n(gamma, s.c, 1.0f);
    std::fill_n(rstd, stats, 1.0f);
  }
};

template <bool kResidual>
void group_forward(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    group_norm_act_forward(a.stream, a.shape, a.x, kResidual ? a.residual : nullptr, a.gamma,
                           a.beta, 1e-5, Activation::Relu, a.sum, a.y, a.mean, a.rstd, a.scratch);
  }
  set_rates(state, norm_act_forward_cost<float>(NormKind::Group, a.shape, kResidual));
}

template <Write kMode>
void group_backward(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    group_norm_act_backward(a.stream, a.shape, a.residual, a.x, a.gamma, a.beta, a.mean, a.rstd,
                            Activation::Relu, a.y, kMode, a.dgamma, a.dbeta, Write::Overwrite,
                            a.scratch);
  }
  set_rates(state, norm_act_backward_cost<float>(NormKind::Group, a.shape, kMode));
}

void batch_forward(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    batch_norm_act_forward<float>(a.stream, a.shape, a.x, nullptr, a.gamma, a.beta, 1e-5,
                                  Activation::Relu, nullptr, a.y, a.mean, a.rstd, a.variance,
                                  a.scratch);
  }
  set_rates(state, norm_act_forward_cost<float>(NormKind::Batch, a.shape, false));
}

void batch_backward(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    batch_norm_act_backward(a.stream, a.shape, a.residual, a.x, a.gamma, a.beta, a.mean, a.rstd,
                            Activation::Relu, a.y, Write::Overwrite, a.dgamma, a.dbeta,
                            Write::Overwrite, a.scratch);
  }
  set_rates(state, norm_act_backward_cost<float>(NormKind::Batch, a.shape, Write::Overwrite));
}

// sum = x + 2 residual, image by image.
void triad(benchmark::State& state) {
  Arrays a(shape_of(state));
  for (auto _ : state) {
    const float *x = a.x, *r = a.residual;
    float* y = a.y;
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
}  // namespace basin::bench
