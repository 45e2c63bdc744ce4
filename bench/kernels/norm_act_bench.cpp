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
template <class T>
struct Arrays {
  NormShape shape;
  Stream stream = Stream::cpu(1);
  std::vector<float> memory;
  T *x, *residual, *sum, *y;
  float *gamma, *beta, *variance, *dgamma, *dbeta, *mean, *rstd;
  void* scratch;
  explicit Arrays(const NormShape& s) : shape(s) {
    const int64_t stats = std::max(s.n * s.groups, s.c);
    const int64_t bytes =
        group_norm_act_scratch<float>(stream, s) + batch_norm_act_scratch<float>(stream, s);
    memory.resize(4 * (s.size() + 48) + 5 * (s.c + 48) + 2 * (stats + 48) + bytes / 4 + 48);
    char* next = reinterpret_cast<char*>(memory.data());
    const auto take = [&]<class Value>(Value*& array, int64_t n) {
      next += 64 - reinterpret_cast<uintptr_t>(next) % 64;
      array = reinterpret_cast<Value*>(next);
      next += (n + 32) * int64_t{sizeof(float)};
    };
    for (T** p : {&x, &residual, &sum, &y}) take(*p, s.size());
    for (float** p : {&gamma, &beta, &variance, &dgamma, &dbeta}) take(*p, s.c);
    for (float** p : {&mean, &rstd}) take(*p, stats);
    char* rest = nullptr;
    take(rest, 0);
    scratch = rest;
    for (int64_t i = 0; i < s.size(); ++i) {
      x[i] = T(static_cast<float>(i * 7919 % 1009) / 500 - 1);
      residual[i] = T(static_cast<float>(i * 104729 % 997) / 500 - 1);
    }
    std::fill_n(gamma, s.c, 1.0f);
    std::fill_n(rstd, stats, 1.0f);
  }
};

template <class T, bool kResidual>
void group_forward(benchmark::State& state) {
  Arrays<T> a(shape_of(state));
  for (auto _ : state) {
    group_norm_act_forward<T>(a.stream, a.shape, a.x, kResidual ? a.residual : nullptr, a.gamma,
                              a.beta, 1e-5, Activation::Relu, a.sum, a.y, a.mean, a.rstd,
                              a.scratch);
  }
  set_rates(state, norm_act_forward_cost<T>(NormKind::Group, a.shape, kResidual));
}

template <class T, Write kMode>
void group_backward(benchmark::State& state) {
  Arrays<T> a(shape_of(state));
  for (auto _ : state) {
    group_norm_act_backward<T>(a.stream, a.shape, a.residual, a.x, a.gamma, a.beta, a.mean, a.rstd,
                               Activation::Relu, a.y, kMode, a.dgamma, a.dbeta, Write::Overwrite,
                               a.scratch);
  }
  set_rates(state, norm_act_backward_cost<T>(NormKind::Group, a.shape, kMode));
}

// Each image with parameters, and gradients of them, of its own.
void groups_forward(benchmark::State& state) {
  Arrays<float> a(shape_of(state));
  const ParameterGroups groups{a.shape.n, a.shape.c};
  const std::vector<float> gamma(a.shape.n * a.shape.c, 1);
  for (auto _ : state) {
    group_norm_act_forward<float>(a.stream, a.shape, a.x, nullptr, gamma.data(), gamma.data(), 1e-5,
                                  Activation::Relu, a.sum, a.y, a.mean, a.rstd, a.scratch, groups);
  }
  set_rates(state, norm_act_forward_cost<float>(NormKind::Group, a.shape, false));
}

void groups_backward(benchmark::State& state) {
  Arrays<float> a(shape_of(state));
  const ParameterGroups groups{a.shape.n, a.shape.c};
  const std::vector<float> gamma(a.shape.n * a.shape.c, 1);
  std::vector<float> dgamma(gamma.size()), dbeta(gamma.size());
  for (auto _ : state) {
    group_norm_act_backward<float>(a.stream, a.shape, a.residual, a.x, gamma.data(), gamma.data(),
                                   a.mean, a.rstd, Activation::Relu, a.y, Write::Overwrite,
                                   dgamma.data(), dbeta.data(), Write::Overwrite, a.scratch, groups,
                                   groups);
  }
  set_rates(state, norm_act_backward_cost<float>(NormKind::Group, a.shape, Write::Overwrite));
}

void batch_forward(benchmark::State& state) {
  Arrays<float> a(shape_of(state));
  for (auto _ : state) {
    batch_norm_act_forward<float>(a.stream, a.shape, a.x, nullptr, a.gamma, a.beta, 1e-5,
                                  Activation::Relu, nullptr, a.y, a.mean, a.rstd, a.variance,
                                  a.scratch);
  }
  set_rates(state, norm_act_forward_cost<float>(NormKind::Batch, a.shape, false));
}

void batch_backward(benchmark::State& state) {
  Arrays<float> a(shape_of(state));
  for (auto _ : state) {
    batch_norm_act_backward<float>(a.stream, a.shape, a.residual, a.x, a.gamma, a.beta, a.mean,
                                   a.rstd, Activation::Relu, a.y, Write::Overwrite, a.dgamma,
                                   a.dbeta, Write::Overwrite, a.scratch);
  }
  set_rates(state, norm_act_backward_cost<float>(NormKind::Batch, a.shape, Write::Overwrite));
}

// sum = x + 2 residual, image by image.
void triad(benchmark::State& state) {
  Arrays<float> a(shape_of(state));
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
BENCHMARK(group_forward<float, false>)->Apply(stages);
BENCHMARK(group_forward<float, true>)->Apply(stages);
BENCHMARK(group_backward<float, Write::Overwrite>)->Apply(stages);
BENCHMARK(group_backward<float, Write::Accumulate>)->Apply(stages);
BENCHMARK(groups_forward)->Apply(stages);
BENCHMARK(groups_backward)->Apply(stages);
BENCHMARK(group_forward<bfloat16, false>)->Apply(stages);
BENCHMARK(group_forward<bfloat16, true>)->Apply(stages);
BENCHMARK(group_backward<bfloat16, Write::Overwrite>)->Apply(stages);
BENCHMARK(group_backward<bfloat16, Write::Accumulate>)->Apply(stages);
BENCHMARK(batch_forward)->Apply(stages);
BENCHMARK(batch_backward)->Apply(stages);
BENCHMARK(triad)->Apply(stages);

}  // namespace
}  // namespace basin::bench
