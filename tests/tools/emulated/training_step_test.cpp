// A training step on the emulated device: one launch of a graph, nothing that waits, and the bytes
// of plain launches.
#include "tools/training_step.h"

#include <gtest/gtest.h>

#include "kernels/emulated/device.h"
#include "tests/support/one_step.h"
#include "tools/evaluation.h"

namespace basin::test {
namespace {

constexpr int64_t kBatch = 4, kExamples = 3 * kBatch + 1;

Dataset some_images() {
  Dataset data;
  data.n = kExamples;
  for (int64_t i = 0; i < data.n * 32 * 32 * 3; ++i) {
    data.images.push_back(static_cast<uint8_t>(i * 2654435761u >> 11));
  }
  for (int32_t i = 0; i < kExamples; ++i) data.labels.push_back(i % 10);
  return data;
}

StepOptions options_of(const std::string& optimizer) {
  StepOptions o;
  o.batch = kBatch;
  o.l2 = 1e-3;
  o.optimizer.name = optimizer == "sgd" ? "sgd" : "sam";
  o.optimizer.sam_steps = optimizer == "sam, two steps" ? 2 : 1;
  return o;
}

// A run's parts, on one stream.
struct SmallRun {
  SmallRun(const std::string& model, const std::string& optimizer)
      : data(some_images()),
        state(stream, {.name = model, .width = 4}, DType::Float32, options_of(optimizer), 5),
        loader(stream, data, kBatch, 1, Shuffle::Yes, {.padding = 4, .flip = true}, DropLast::Yes) {
  }
  std::vector<double> weights() const { return values_of(stream, state.weights); }

  // TF32: the emulated device convolves so faster than by tiles.
  Stream stream = Stream::cuda(0, Tf32::Yes);
  Dataset data;
  TrainState state;
  Loader loader;
};

const std::vector<double> kRates{0.1, 0.05, 0.025};

TEST(TrainingStep, IsOneGraphAndNoWait) {
  for (const char* optimizer : {"sgd", "sam", "sam, two steps"}) {
    SmallRun run("resnet_tiny", optimizer);
    TrainingStep step(run.stream, run.state, run.loader);
    step.start_epoch(1, 0, kRates);
    const emulated::Counts before = emulated::counts();
    for (int i = 0; i < 3; ++i) step.run();
    EXPECT_EQ(emulated::counts() - before, (emulated::Counts{.graphs = 3})) << optimizer;
    // The host looks at steps by a copy that is waited for when it asks, and not before.
    step.ask();
    EXPECT_EQ(emulated::counts() - before, (emulated::Counts{.others = 1, .graphs = 3}));
    EXPECT_EQ(step.answer().size(), 3u);
    EXPECT_EQ((emulated::counts() - before).waits, 1);
  }
}

TEST(TrainingStep, GivesTheBytesOfPlainLaunches) {
  for (const char* model : {"resnet_tiny", "resnet_tiny_gn", "mlp"}) {
    for (const char* optimizer : {"sgd", "sam", "sam, two steps"}) {
      SmallRun graph(model, optimizer), plain(model, optimizer);
      TrainingStep step(graph.stream, graph.state, graph.loader);
      step.start_epoch(1, 0, kRates);
      for (int i = 0; i < 3; ++i) step.run();

      const Stream& stream = plain.stream;
      const Buffer images(stream, kBatch * plain.loader.image_size() * int64_t{sizeof(float)});
      const Buffer labels(stream, kBatch * int64_t{sizeof(int32_t)});
      plain.state.replay->bind(images.data(), reinterpret_cast<const int32_t*>(labels.data()));
      for (int i = 0; i < 3; ++i) {
        plain.loader.start_epoch(1, i);
        plain.loader.fill(kBatch, reinterpret_cast<float*>(images.data()),
                          reinterpret_cast<int32_t*>(labels.data()));
        const Buffer rate = placed<double>(stream, std::vector<double>{kRates[i]});
        plain.state.optimizer->step(*plain.state.replay, plain.state.weights,
                                    reinterpret_cast<const double*>(rate.data()));
        stream.synchronize();  // before the rate's memory goes
      }
      EXPECT_EQ(graph.weights(), plain.weights()) << model << ", " << optimizer;
      step.ask();
      EXPECT_EQ(step.answer().back().last_loss, plain.state.replay->finished().loss);
    }
  }
}

TEST(TrainingStep, GoesOnWhereARunStopped) {
  SmallRun whole("mlp", "sam"), parts("mlp", "sam");
  TrainingStep a(whole.stream, whole.state, whole.loader),
      b(parts.stream, parts.state, parts.loader);
  a.start_epoch(1, 0, kRates);
  for (int i = 0; i < 3; ++i) a.run();
  b.start_epoch(1, 0, kRates);
  b.run();
  b.start_epoch(1, 1, kRates);
  b.run();
  b.run();
  EXPECT_EQ(whole.weights(), parts.weights());
}

TEST(Evaluation, IsOneGraphABatch) {
  SmallRun run("resnet_tiny", "sgd");
  Evaluation evaluate(run.stream, run.state.model, run.state.weights, run.state.buffers(), run.data,
                      options_of("sgd"));
  const auto first = evaluate();
  const emulated::Counts before = emulated::counts();
  EXPECT_EQ(evaluate(), first);
  const emulated::Counts counts = emulated::counts() - before;
  EXPECT_EQ(counts.graphs, 1);  // all examples are one batch
  EXPECT_EQ(counts.kernels, 0);
}

}  // namespace
}  // namespace basin::test
