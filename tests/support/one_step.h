// One training step of a small network on made images, on any device, and all that it came to.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "kernels/random.h"
#include "tools/train_state.h"

namespace basin::test {

// A class is a pattern, and its images are that with some noise: gradients have a common part. (Of
// pure noise they have none, and a few ReLUs that a rounding flips turn the sum by degrees.)
struct PatternBatch {
  std::vector<double> images;  // [n, 32, 32, 3]
  std::vector<int32_t> labels;
};
inline PatternBatch pattern_batch(int64_t n) {
  constexpr int64_t kPixels = 32 * 32 * 3;
  const auto draw = [](uint32_t lane, int64_t i) {
    return normal(philox_at(1, Purpose::Data, lane, static_cast<uint64_t>(i)));
  };
  PatternBatch batch;
  for (int64_t i = 0; i < n; ++i) {
    batch.labels.push_back(static_cast<int32_t>(i % 2));
    for (int64_t p = 0; p < kPixels; ++p) {
      const double value = draw(1, i % 2 * kPixels + p) + 0.5 * draw(2, i * kPixels + p);
      batch.images.push_back(static_cast<float>(value));
    }
  }
  return batch;
}

// `values` as elements of T in the stream's memory.
template <class T, class From>
Buffer placed(const Stream& stream, const std::vector<From>& values) {
  return copied(stream, std::vector<T>(values.begin(), values.end()));
}

struct OneStep {
  std::vector<double> losses;  // of each pass
  std::vector<double> logits, gradient, epsilon, perturbed, weights, momentum, statistics;
};

inline std::vector<double> values_of(const Stream& stream, const Arena& arena) {
  std::vector<double> all;
  for (const LayoutEntry& entry : arena.layout()->entries()) {
    const auto values = arena.read(stream, entry);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

// A step of a network of options.batch images at a learning rate of 0.1. `seed` is of its weights.
inline OneStep one_step(const Stream& stream, const std::string& model, int64_t width, DType dtype,
                        const StepOptions& options, uint64_t seed = 5) {
  TrainState state(stream, {.name = model, .width = width}, dtype, options, seed);
  const PatternBatch batch = pattern_batch(options.batch);
  const Buffer images =
      dispatch(dtype, [&]<class T>(T) { return placed<T>(stream, batch.images); });
  const Buffer labels = placed<int32_t>(stream, batch.labels);
  const Buffer rate = placed<double>(stream, std::vector<double>{0.1});
  state.replay->bind(images.data(), reinterpret_cast<const int32_t*>(labels.data()));
  struct Passes final : Objective {
    explicit Passes(BatchReplay& replay) : replay(replay) {}
    void differentiate(const Arena& at, Arena& gradient, Track track) override {
      replay.differentiate(at, gradient, track);
      losses.push_back(replay.finished().loss);
      if (logits.empty()) logits = replay.logits();
    }
    BatchReplay& replay;
    std::vector<double> losses, logits;
  } passes(*state.replay);
  state.optimizer->step(passes, state.weights, reinterpret_cast<const double*>(rate.data()));
  Arena epsilon = state.weights.sibling(stream);
  state.optimizer->epsilon(epsilon);
  return {passes.losses,
          passes.logits,
          values_of(stream, state.optimizer->gradient()),
          values_of(stream, epsilon),
          values_of(stream, state.optimizer->gradient_perturbed()),
          values_of(stream, state.weights),
          values_of(stream, state.optimizer->velocity()),
          state.running ? values_of(stream, *state.running) : std::vector<double>()};
}

inline double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

// |a - b| / |b|; 0 where both are empty or zero.
inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return difference == 0 ? 0 : std::sqrt(difference / size);
}

}  // namespace basin::test
