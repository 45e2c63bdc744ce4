// Augmentation of a batch of 32x32 images: plain, and cropped and flipped.
#include "kernels/augment.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

void augment_float(benchmark::State& state) {
  const int64_t batch = state.range(0);
  const bool augmented = state.range(2) != 0;
  const AugmentShape shape{32, 32, state.range(1), augmented ? 4 : 0, augmented};
  const int64_t size = shape.h * shape.w * shape.c;
  const Stream stream = Stream::cpu(static_cast<int>(state.range(3)));
  const std::vector<uint8_t> images(batch * size, 100);
  std::vector<int64_t> order(batch);
  for (int64_t b = 0; b < batch; ++b) order[b] = batch - 1 - b;
  const std::vector<int32_t> labels(batch, 1);
  std::vector<float> out(batch * size);
  std::vector<int32_t> out_labels(batch);
  StepCursor cursor{0, 0};
  for (auto _ : state) {
    augment(stream, shape, {images.data(), labels.data(), order.data()}, batch, batch, 1, &cursor,
            out.data(), out_labels.data());
    ++cursor.epoch;
    benchmark::ClobberMemory();
  }
  set_rates(state, augment_cost<float>(shape, batch));
}

BENCHMARK(augment_float)
    ->ArgNames({"batch", "channels", "augmented", "threads"})
    ->ArgsProduct({{16, 128}, {1, 3}, {0, 1}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace basin::bench
