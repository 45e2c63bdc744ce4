// A batch in chunks gives what the whole batch gives, whatever the threads, sizes and remainders.
#include "engine/chunked_replay.h"

#include <gtest/gtest.h>

#include "tests/support/op_case.h"

namespace basin::test {
namespace {

struct Network {
  Stream stream = Stream::cpu(1);
  LayoutPtr layout, buffers;
  RecordNetwork record;

  explicit Network(bool batch_norm) {
    Layout l, b;
    l.add_conv("conv", 5, 2, 3);
    l.add_conv("wide", 16, 5, 3);
    l.add("g", Role::NormScale, Shape{16});
    l.add("b", Role::NormBias, Shape{16});
    l.add("fc", Role::Weight, Shape{4, 16});
    b.add("mean", Role::RunningMean, Shape{16});
    b.add("var", Role::RunningVariance, Shape{16});
    b.add("n", Role::Counter, Shape{});
    layout = std::make_shared<const Layout>(l);
    buffers = batch_norm ? std::make_shared<const Layout>(b) : nullptr;
    record = [batch_norm](Tape& t, const Variable& x) {
      const auto p = [&](const char* name) { return t.parameter(name); };
      const Variable h = conv2d(relu(conv2d(x, p("conv"), {1, 1})), p("wide"), {2, 1});
      const Variable y =
          batch_norm
              ? batch_norm_act(h, p("g"), p("b"),
                               {.running_mean = "mean", .running_variance = "var", .counter = "n"})
              : group_norm_act(h, p("g"), p("b"), {.groups = 4});
      return linear(global_pool(y), p("fc"));
    };
  }
};

struct Outcome {
  double loss, correct;
  std::vector<double> gradient;
};

template <class T>
Outcome outcome(const Network& net, int64_t batch, int threads, int64_t chunk, bool whole,
                Arena* buffers) {
  Arena w(net.stream, net.layout, kDTypeOf<T>);
  randomise(net.stream, w, 4);
  std::vector<T> images(batch * 6 * 6 * 2);
  for (size_t i = 0; i < images.size(); ++i) {
    images[i] = static_cast<T>(static_cast<float>(away_from_zero(8, 0, i)));
  }
  std::vector<int32_t> labels(batch);
  for (int64_t i = 0; i < batch; ++i) labels[i] = static_cast<int32_t>(i * 7 % 4);
  ChunkedReplay replay(
      Stream::cpu(threads), net.record, w, buffers,
      {.batch = batch, .h = 6, .w = 6, .c = 2, .whole_batch = whole, .chunk = chunk, .l2 = 1e-2});
  replay.bind(images.data(), labels.data());
  Arena gradient = w.sibling(net.stream);
  for (int i = 0; i < 2; ++i) {  // the second pass writes over the first
    replay.differentiate(w, gradient, i == 0 ? Track::Yes : Track::No);
  }
  Outcome result{replay.finished().loss, replay.finished().correct, {}};
  for (const LayoutEntry& e : net.layout->entries()) {
    for (const double v : gradient.read(net.stream, e)) result.gradient.push_back(v);
  }
  return result;
}

TEST(ChunkedReplay, ChunksThreadsAndRemaindersAgree) {
  const Network net(false);
  for (const int64_t batch : {1, 2, 5, 12, 13}) {
    const Outcome want = outcome<double>(net, batch, 1, 1000, false, nullptr);
    for (const int threads : {1, 2, 3}) {
      for (const int64_t chunk : {0, 1, 2, 5, 32}) {
        const Outcome got = outcome<double>(net, batch, threads, chunk, false, nullptr);
        EXPECT_NEAR(got.loss, want.loss, 1e-13);
        EXPECT_EQ(got.correct, want.correct);
        const Outcome single = outcome<float>(net, batch, threads, chunk, false, nullptr);
        for (size_t i = 0; i < want.gradient.size(); ++i) {
          ASSERT_NEAR(got.gradient[i], want.gradient[i], 1e-13) << batch << " " << threads;
          ASSERT_NEAR(single.gradient[i], want.gradient[i], 2e-6) << batch << " " << threads;
        }
        EXPECT_EQ(outcome<float>(net, batch, threads, chunk, false, nullptr).gradient,
                  single.gradient);
      }
    }
  }
}

TEST(ChunkedReplay, BatchNormIsWholeAndTracksOnce) {
  const Network net(true);
  Arena one(net.stream, net.buffers, DType::Float64), two(net.stream, net.buffers, DType::Float64);
  const Outcome a = outcome<double>(net, 6, 1, 32, true, &one);
  const Outcome b = outcome<double>(net, 6, 2, 32, true, &two);
  for (size_t i = 0; i < a.gradient.size(); ++i) EXPECT_NEAR(a.gradient[i], b.gradient[i], 1e-12);
  EXPECT_EQ(one.read(net.stream, net.buffers->at("n")), std::vector<double>{1});
  EXPECT_NE(one.read(net.stream, net.buffers->at("var"))[0], 0);
  EXPECT_THROW(outcome<double>(net, 6, 2, 2, false, &two), Error);
}

TEST(ChunkedReplay, ALabelOutOfRangeIsAnErrorFromAnyThread) {
  const Network net(false);
  Arena w(net.stream, net.layout, DType::Float32);
  ChunkedReplay replay(Stream::cpu(2), net.record, w, nullptr,
                       {.batch = 8, .h = 6, .w = 6, .c = 2, .chunk = 2});
  const std::vector<float> images(8 * 6 * 6 * 2);
  const std::vector<int32_t> labels{0, 1, 2, 3, 0, 1, 2, 4};
  replay.bind(images.data(), labels.data());
  Arena gradient = w.sibling(net.stream);
  EXPECT_THROW(replay.differentiate(w, gradient, Track::No), Error);
}

}  // namespace
}  // namespace basin::test
