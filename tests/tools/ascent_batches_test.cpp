// The ascent's batch against the run written out: which batch each step's ascent takes, over
// epochs.
#include "tools/ascent_batches.h"

#include <gtest/gtest.h>

#include "tests/support/device.h"
#include "tests/support/one_step.h"
#include "tools/training_step.h"

namespace basin::test {
namespace {

constexpr int64_t kBatch = 4, kSteps = 3;  // an epoch
constexpr int kEpochs = 3;
constexpr uint64_t kSeed = 11;

Dataset some_images() {
  Dataset data;
  data.n = kBatch * kSteps + 1;
  for (int64_t i = 0; i < data.n * 32 * 32 * 3; ++i) {
    data.images.push_back(static_cast<uint8_t>(i * 2654435761u >> 11));
  }
  for (int32_t i = 0; i < data.n; ++i) data.labels.push_back(i % 10);
  return data;
}

TrainOptions options_of(AscentBatch which, int64_t size) {
  TrainOptions o;
  o.step.batch = kBatch;
  o.step.optimizer.name = "sam";
  o.step.optimizer.rho = 0.5;
  o.ascent_batch = which;
  o.ascent_size = size;
  o.seed = kSeed;
  return o;
}

const ModelOptions kNetwork{.name = "linear", .width = 4};
const std::vector<double> kRates{0.1, 0.05, 0.025};

Loader loader_of(const Stream& stream, const Dataset& data, int64_t batch, uint64_t seed) {
  return {stream, data, batch, seed, Shuffle::Yes, {}, DropLast::Yes};
}

std::vector<double> run(const Stream& stream, AscentBatch which, int64_t size) {
  const Dataset data = some_images();
  const TrainOptions o = options_of(which, size);
  TrainState state(stream, kNetwork, DType::Float32, o.step, 5);
  Loader loader = loader_of(stream, data, kBatch, kSeed);
  AscentBatches ascent(stream, data, state, o, {});
  TrainingStep step(stream, state, loader, &ascent);
  for (int epoch = 1; epoch <= kEpochs; ++epoch) {
    step.start_epoch(epoch, 0, kRates);
    for (int64_t i = 0; i < kSteps; ++i) step.run();
    step.ask();
    step.answer();
  }
  return values_of(stream, state.weights);
}

// Batch `index` of the run (its epochs one behind the other) in memory of its own.
struct Batch {
  Batch(const Stream& stream, const Dataset& data, int64_t size, uint64_t seed, int64_t index)
      : images(stream, size * 32 * 32 * 3 * int64_t{sizeof(float)}),
        labels(stream, size * int64_t{sizeof(int32_t)}) {
    Loader loader = loader_of(stream, data, size, seed);
    loader.start_epoch(static_cast<int>(1 + index / loader.batches()), index % loader.batches());
    loader.fill(size, reinterpret_cast<float*>(images.data()),
                reinterpret_cast<int32_t*>(labels.data()));
  }
  void bind_to(BatchReplay& replay) const {
    replay.bind(images.data(), reinterpret_cast<const int32_t*>(labels.data()));
  }
  Buffer images, labels;
};

struct TwoBatches final : Objective {
  TwoBatches(BatchReplay& ascent, BatchReplay& descent) : ascent(ascent), descent(descent) {}
  void differentiate_ascent(const Arena& at, Arena& gradient, Track track) override {
    ascent.differentiate(at, gradient, track);
  }
  void differentiate(const Arena& at, Arena& gradient, Track track) override {
    descent.differentiate(at, gradient, track);
  }
  BatchReplay &ascent, &descent;
};

std::vector<double> written_out(const Stream& stream, AscentBatch which, int64_t size,
                                uint64_t ascent_seed) {
  const Dataset data = some_images();
  StepOptions descent = options_of(which, size).step, other = descent;
  other.batch = size;
  TrainState state(stream, kNetwork, DType::Float32, descent, 5);
  const auto above = make_replay(stream, state.model.record, state.weights, state.buffers(),
                                 replay_options(kNetwork, state.model, *state.optimizer, other));
  for (int64_t k = 0; k < kEpochs * kSteps; ++k) {
    const int64_t from = which == AscentBatch::Previous ? std::max<int64_t>(k - 1, 0) : k;
    const Batch own(stream, data, kBatch, kSeed, k), apart(stream, data, size, ascent_seed, from);
    own.bind_to(*state.replay);
    apart.bind_to(*above);
    TwoBatches objective(*above, *state.replay);
    const Buffer rate = placed<double>(stream, std::vector<double>{kRates[k % kSteps]});
    state.optimizer->step(objective, state.weights, reinterpret_cast<const double*>(rate.data()));
  }
  return values_of(stream, state.weights);
}

TEST(AscentBatches, ThePreviousBatchOverEpochs) {
  for (const Stream& stream : streams({1})) {
    EXPECT_EQ(run(stream, AscentBatch::Previous, 0),
              written_out(stream, AscentBatch::Previous, kBatch, kSeed))
        << name(stream);
  }
}

TEST(AscentBatches, AnIndependentBatchOfItsOwnSize) {
  for (const Stream& stream : streams({1})) {
    EXPECT_EQ(run(stream, AscentBatch::Independent, 5),
              written_out(stream, AscentBatch::Independent, 5, kSeed ^ 0x9e3779b97f4a7c15))
        << name(stream);
  }
}

TEST(AscentBatches, WhatDoesNotGoTogether) {
  const Stream stream = Stream::cpu(1);
  const Dataset data = some_images();
  const auto message = [&](const TrainOptions& o) -> std::string {
    TrainState state(stream, kNetwork, DType::Float32, o.step, 5);
    try {
      AscentBatches(stream, data, state, o, {});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Usage);
      return error.what();
    }
    return "";
  };
  TrainOptions o = options_of(AscentBatch::Previous, 0);
  EXPECT_EQ(message(o), "");
  o.ascent_size = 3;
  EXPECT_NE(message(o).find("--ascent-size: found 3"), std::string::npos);
  o = options_of(AscentBatch::Independent, 0);
  o.step.microbatch = 2;
  EXPECT_NE(message(o).find("--ascent-batch"), std::string::npos);
  o = options_of(AscentBatch::Independent, 0);
  o.step.optimizer.name = "sgd";
  EXPECT_NE(message(o).find("expected sam"), std::string::npos);
}

}  // namespace
}  // namespace basin::test
