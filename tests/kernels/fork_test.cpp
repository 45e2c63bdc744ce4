// Forks: both lanes begin behind what was before, and what comes after the join is behind both.
#include "kernels/fork.h"

#include <gtest/gtest.h>

#include "kernels/elementwise.h"
#include "kernels/graph.h"
#include "kernels/map.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

constexpr int64_t kCount = 10'000;

// to = a + b
void add(const Stream& stream, const Placed<float>& a, const Placed<float>& b, Placed<float>& to) {
  map<float>(stream, Add<float>{}, kCount, {a.data(), b.data()}, {to.data()});
}

// Arrays of ones, and a round of work on two lanes that makes x eight times as large.
struct Lanes {
  explicit Lanes(const Stream& stream) : stream(stream), fork(stream) {}
  void round() {
    add(stream, x, x, x);
    fork.open();
    add(fork.side(), x, x, left);
    add(stream, x, x, right);
    fork.join();
    add(stream, left, right, x);
  }

  const Stream& stream;
  Fork fork;
  const std::vector<float> ones = std::vector<float>(kCount, 1);
  Placed<float> x{stream, ones}, left{stream, ones}, right{stream, ones};
};

TEST(Fork, LanesMeet) {
  for (const Stream& stream : streams({1})) {
    Lanes lanes(stream);
    for (int k = 0; k < 3; ++k) lanes.round();
    EXPECT_EQ(lanes.x.values(), std::vector<float>(kCount, 512)) << name(stream);
  }
}

TEST(Fork, LanesAreBranchesOfAGraph) {
  for (const Stream& stream : streams({})) {
    if (!stream.is_cuda()) continue;
    Lanes lanes(stream);
    add(stream, lanes.x, lanes.x, lanes.left);  // kernels are loaded before a capture
    const Graph graph = Graph::capture(stream, [&] { lanes.round(); });
    EXPECT_EQ(graph.nodes(), 4);
    for (int k = 0; k < 3; ++k) graph.launch(stream);
    EXPECT_EQ(lanes.x.values(), std::vector<float>(kCount, 512)) << name(stream);
  }
}

}  // namespace
}  // namespace basin::test
