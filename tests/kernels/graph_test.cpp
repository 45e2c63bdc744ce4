// Graphs: what is captured does not run, and does at each launch what it does by itself, to the
// same bytes.
#include "kernels/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

#include "kernels/elementwise.h"
#include "kernels/error.h"
#include "kernels/event.h"
#include "kernels/map.h"
#include "kernels/pinned.h"
#include "kernels/reduce.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

using testing::HasSubstr;

constexpr int64_t kCount = 10'000;

template <class Action>
std::string error_of(ErrorKind kind, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

// x += y
void add(const Stream& stream, Placed<float>& x, const Placed<float>& y) {
  map<float>(stream, Add<float>{}, kCount, {x.data(), y.data()}, {x.data()});
}

TEST(Graph, ACpuHasNone) {
  const Stream cpu = Stream::cpu(1);
  EXPECT_EQ(error_of(ErrorKind::Usage, [&] { Graph::capture(cpu, [] {}); }),
            "[graph] capture: found a CPU stream, expected a CUDA stream");
  const Graph empty;
  EXPECT_FALSE(empty);
  EXPECT_EQ(empty.nodes(), 0);
  EXPECT_EQ(error_of(ErrorKind::Usage, [&] { empty.launch(cpu); }),
            "[graph] launch: found an empty graph");
}

TEST(Graph, WhatIsCapturedRunsAtEachLaunch) {
  for (const Stream& stream : streams({})) {
    Placed<float> x(stream, std::vector<float>(kCount, 1));
    const Placed<float> y(stream, std::vector<float>(kCount, 2));
    const Graph graph = Graph::capture(stream, [&] {
      add(stream, x, y);
      add(stream, x, y);
    });
    EXPECT_TRUE(graph);
    EXPECT_EQ(graph.nodes(), 2);
    EXPECT_EQ(x.values(), std::vector<float>(kCount, 1)) << "it ran in the capture";
    for (int k = 0; k < 3; ++k) graph.launch(stream);
    EXPECT_EQ(x.values(), std::vector<float>(kCount, 13));
  }
}

TEST(Graph, TheSameBytesAsWithoutOne) {
  const auto values = random_values<float>(200'003, 1);
  const auto n = static_cast<int64_t>(values.size());
  for (const Stream& stream : streams({})) {
    const Placed<float> x(stream, values);
    Placed<double> partials(stream, reduce_partials(n)), plain(stream, 1), launched(stream, 1);
    squared_norm(stream, n, x.data(), partials.data(), plain.data());
    const Graph graph = Graph::capture(
        stream, [&] { squared_norm(stream, n, x.data(), partials.data(), launched.data()); });
    graph.launch(stream);
    EXPECT_EQ(launched[0], plain[0]);
    EXPECT_TRUE(partials.intact() && launched.intact());
  }
}

// What changes from launch to launch comes by memory: here, through a captured copy.
TEST(Graph, ACapturedCopyReadsAtEachLaunch) {
  for (const Stream& stream : streams({})) {
    const PinnedBuffer in(stream, sizeof(float)), out(stream, sizeof(float));
    Placed<float> x(stream, 1);
    const Graph graph = Graph::capture(stream, [&] {
      copy_to_device_async(stream, x.data(), in.data(), in.bytes());
      map<float>(stream, Add<float>{}, 1, {x.data(), x.data()}, {x.data()});
      copy_to_host_async(stream, out.data(), x.data(), out.bytes());
    });
    EXPECT_EQ(graph.nodes(), 3);
    for (const float value : {1.0f, 5.0f, -3.0f}) {
      *in.as<float>() = value;
      graph.launch(stream);
      stream.synchronize();
      EXPECT_EQ(*out.as<float>(), 2 * value);
    }
  }
}

TEST(Graph, AnotherStreamIsForkedAndJoined) {
  for (const Stream& stream : streams({})) {
    const Stream other = Stream::cuda(0);
    Placed<float> x(stream, std::vector<float>(kCount, 1)),
        y(stream, std::vector<float>(kCount, 2));
    Event forked(stream), joined(stream);
    const Graph graph = Graph::capture(stream, [&] {
      forked.record(stream);
      forked.make_wait(other);
      add(stream, x, x);
      add(other, y, y);
      joined.record(other);
      joined.make_wait(stream);
      add(stream, x, y);
    });
    EXPECT_EQ(graph.nodes(), 3);
    graph.launch(stream);
    graph.launch(stream);
    EXPECT_EQ(x.values(), std::vector<float>(kCount, 20));  // 2 (2 * 1 + 4) + 8
    add(other, y, y);
    EXPECT_EQ((other.synchronize(), y.values()), std::vector<float>(kCount, 16));
  }
}

TEST(Graph, AThrowEndsTheCaptureAndPassesOn) {
  for (const Stream& stream : streams({})) {
    Placed<float> x(stream, std::vector<float>(kCount, 1));
    EXPECT_THROW(Graph::capture(stream,
                                [&] {
                                  add(stream, x, x);
                                  throw std::runtime_error("of work's own");
                                }),
                 std::runtime_error);
    add(stream, x, x);
    EXPECT_EQ(x.values(), std::vector<float>(kCount, 2)) << "the stream is what it was before";
    Graph::capture(stream, [&] { add(stream, x, x); }).launch(stream);
    EXPECT_EQ(x.values(), std::vector<float>(kCount, 4));
  }
}

TEST(Graph, WhatACaptureForbidsIsOneLine) {
  for (const Stream& stream : streams({})) {
    Placed<float> x(stream, std::vector<float>(kCount, 1));
    const auto error = [&](const std::function<void()>& work) {
      return error_of(ErrorKind::Run, [&] { Graph::capture(stream, work); });
    };
    EXPECT_THAT(error([&] { stream.synchronize(); }), HasSubstr("cudaStreamSynchronize"));
    EXPECT_THAT(error([&] { const Buffer buffer(stream, 64); }), HasSubstr("cudaMalloc"));
    EXPECT_THAT(error([&] { x.set(0, 5); }), HasSubstr("[cuda]: cuda")) << "the copy, or its wait";
    // Where nobody looks at the call, the capture's end tells.
    EXPECT_THAT(error([&] {
                  try {
                    stream.synchronize();
                  } catch (const Error&) {
                  }
                }),
                HasSubstr("cudaStreamEndCapture"));
    add(stream, x, x);
    EXPECT_EQ(x.values(), std::vector<float>(kCount, 2));
  }
}

TEST(Graph, ItIsMoved) {
  for (const Stream& stream : streams({})) {
    Placed<float> x(stream, std::vector<float>(kCount, 1));
    Graph graph = Graph::capture(stream, [&] { add(stream, x, x); });
    const Graph other = std::move(graph);
    EXPECT_FALSE(graph);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(other.nodes(), 1);
    other.launch(stream);
    EXPECT_EQ(x.values(), std::vector<float>(kCount, 2));
  }
}

}  // namespace
}  // namespace basin::test
