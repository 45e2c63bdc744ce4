// Batch norm's statistics, estimated anew, against plain sums over the same images.
#include "engine/statistics.h"

#include <gtest/gtest.h>

#include "engine/data/shapes.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

// Batch norm on the images themselves.
struct Network {
  LayoutPtr parameters, buffers;
  RecordNetwork record = [](Tape& t, const Variable& x) {
    const Variable y =
        batch_norm_act(x, t.parameter("g"), t.parameter("b"),
                       {.running_mean = "mean", .running_variance = "var", .counter = "n"});
    return linear(global_pool(y), t.parameter("fc"));
  };
  Network() {
    Layout p, b;
    p.add("g", Role::NormScale, Shape{3});
    p.add("b", Role::NormBias, Shape{3});
    p.add("fc", Role::Weight, Shape{10, 3});
    b.add("mean", Role::RunningMean, Shape{3});
    b.add("var", Role::RunningVariance, Shape{3});
    b.add("n", Role::Counter, Shape{});
    parameters = std::make_shared<const Layout>(p);
    buffers = std::make_shared<const Layout>(b);
  }
};

TEST(StatisticsEstimate, IsThePlainAverageOverWholeBatches) {
  const Network net;
  const Dataset data = make_shapes(300, 0);
  const Augmentation augmentation{.padding = 4, .flip = true};
  // 290: two whole batches of 128. 50: one of 50.
  for (const auto& [images, batch, batches] : {std::array<int64_t, 3>{290, 128, 2}, {50, 50, 1}}) {
    std::vector<double> mean(3), variance(3);
    Loader loader(Stream::cpu(1), data, batch, 6, Shuffle::Yes, augmentation, DropLast::Yes);
    std::vector<double> pixels(batch * loader.image_size());
    std::vector<int32_t> labels(batch);
    for (int64_t b = 0; b < batches; ++b) {
      loader.start_epoch(0, b);
      loader.fill(batch, pixels.data(), labels.data());
      const auto n = static_cast<double>(batch * data.h * data.w);
      for (int c = 0; c < 3; ++c) {
        double sum = 0, squares = 0;
        for (size_t i = c; i < pixels.size(); i += 3) sum += pixels[i];
        for (size_t i = c; i < pixels.size(); i += 3) {
          squares += (pixels[i] - sum / n) * (pixels[i] - sum / n);
        }
        mean[c] += sum / n / static_cast<double>(batches);
        variance[c] += squares / (n - 1) / static_cast<double>(batches);
      }
    }
    for (const Stream& stream : streams({1, 2})) {
      Arena w(stream, net.parameters, DType::Float64), running(stream, net.buffers, DType::Float64);
      // What was there is forgotten, a NaN too.
      running.write(stream, net.buffers->at("mean"), std::vector<double>{1, poison<double>(), 3});
      StatisticsEstimate estimate(stream, net.record, w, running, data, {images, 6, augmentation});
      for (int again = 0; again < 2; ++again) {
        estimate(w);
        const auto found_mean = running.read(stream, net.buffers->at("mean"));
        const auto found_variance = running.read(stream, net.buffers->at("var"));
        for (int c = 0; c < 3; ++c) {
          EXPECT_NEAR(found_mean[c], mean[c], 1e-12) << name(stream);
          EXPECT_NEAR(found_variance[c], variance[c], 1e-12) << name(stream);
        }
        EXPECT_EQ(running.read(stream, net.buffers->at("n"))[0], static_cast<double>(batches));
      }
      EXPECT_THROW(StatisticsEstimate(stream, net.record, w, running, data, {301, 6, augmentation}),
                   Error);
    }
  }
}

}  // namespace
}  // namespace basin::test
