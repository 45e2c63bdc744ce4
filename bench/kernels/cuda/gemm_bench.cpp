// Products of the linear layers on a GPU: forward (x w^T), data gradient (dy w), weight gradient
// (dy^T x), in float32 and in TF32.
#include "kernels/gemm.h"

#include "bench/kernels/cuda/rates.h"
#include "bench/kernels/cuda/setup.h"

namespace basin::bench {
namespace {

void gemm(benchmark::State& state, Tf32 tf32) {
  if (!there_is_a_device(state)) return;
  const Stream& stream = device_stream(tf32);
  const int64_t n = state.range(0), out = state.range(1), in = state.range(2);
  const GemmShape shapes[] = {{n, out, in, Transpose::No, Transpose::Yes},
                              {n, in, out, Transpose::No, Transpose::No},
                              {out, in, n, Transpose::Yes, Transpose::No}};
  const GemmShape& s = shapes[state.range(3)];
  const Gemm<float> gemm(stream, s);
  const RandomArray<float> a(stream, s.m * s.k), b(stream, s.k * s.n), c(stream, s.m * s.n);
  const Buffer scratch(stream, gemm.scratch_bytes());
  time_on(state, stream, gemm_cost<float>(s), [&] {
    gemm.run(stream, a.data(), b.data(), c.data(), Write::Overwrite, scratch.data());
  });
  state.SetLabel(gemm.description());
}

void cuda_gemm_float(benchmark::State& state) {
  gemm(state, Tf32::No);
}
void cuda_gemm_tf32(benchmark::State& state) {
  gemm(state, Tf32::Yes);
}

// A layer of the mlp whose groups of examples have weights of their own: 128 examples in all.
void cuda_gemm_of_groups(benchmark::State& state) {
  if (!there_is_a_device(state)) return;
  const Stream& stream = device_stream();
  const int64_t count = state.range(0), m = 128 / count, out = 512, in = 784, weights = out * in;
  const GemmShape shapes[] = {{m, out, in, Transpose::No, Transpose::Yes},
                              {m, in, out, Transpose::No, Transpose::No},
                              {out, in, m, Transpose::Yes, Transpose::No}};
  const GemmBatch batches[] = {{count, m * in, weights, m * out},
                               {count, m * out, weights, m * in},
                               {count, m * out, m * in, weights}};
  const GemmShape& s = shapes[state.range(1)];
  const GemmBatch& batch = batches[state.range(1)];
  const Gemm<float> gemm(stream, s, batch);
  const RandomArray<float> a(stream, s.m * s.k * count), b(stream, s.k * s.n * count);
  const RandomArray<float> c(stream, s.m * s.n * count);
  const Buffer scratch(stream, gemm.scratch_bytes());
  time_on(state, stream, gemm_cost<float>(s, batch), [&] {
    gemm.run(stream, a.data(), b.data(), c.data(), Write::Overwrite, scratch.data());
  });
}

BENCHMARK(cuda_gemm_of_groups)
    ->ArgNames({"groups", "product"})
    ->ArgsProduct({{8, 128}, {0, 1, 2}})
    ->UseManualTime();

// The head of resnet18 of width 64, and a layer of the mlp.
void layers(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "out", "in", "product"})->UseManualTime();
  b->ArgsProduct({{128}, {10}, {512}, {0, 1, 2}})->ArgsProduct({{128}, {512}, {784}, {0, 1, 2}});
}
BENCHMARK(cuda_gemm_float)->Apply(layers);
BENCHMARK(cuda_gemm_tf32)->Apply(layers);

}  // namespace
}  // namespace basin::bench
