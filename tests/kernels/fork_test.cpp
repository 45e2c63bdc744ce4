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

TEST(Fork, LanesMeet) {
  for (const Stream& stream : streams({1})) {
    const Fork fork(stream);
    Placed<float> x(stream, std::vector<float>(kCount, 1));
    Placed<float> left(stream, std::vector<float>(kCount)), right(stream, left.values());
    const auto round = [&] {
      add(stream, x, x, x);
      fork.open();
      add(fork.side(), x, x, left);
      add(stream, x, x, right);
      fork.join();
      add(stream, left, right, x);
    };
    float expected = 1;
    for (int k = 0; k < 3; ++k, expected *= 8) round();
    EXPECT_EQ(x.values(), std::vector<float>(kCount, expected)) << name(stream);
  }
}

TEST(Fork, LanesAreBranchesOfAGraph) {
  for (const Stream& stream : streams({})) {
    if (!stream.is_cuda()) continue;
    const Fork fork(stream);
    Placed<float> x(stream, std::vector<float>(kCount, 1));
    Placed<float> left(stream, std::vector<float>(kCount)), right(stream, left.values());
    add(stream, x, x, left);  // kernels are loaded before a capture
    const Graph graph = Graph::capture(stream, [&] {
      add(stream, x, x, x);
      fork.open();
      add(fork.side(), x, x, left);
      add(stream, x, x, right);
      fork.join();
      add(stream, left, right, x);
    });
    EXPECT_EQ(graph.nodes(), 4);
    for (int k = 0; k < 3; ++k) graph.launch(stream);
    EXPECT_EQ(x.values(), std::vector<float>(kCount, 512)) << name(stream);
  }
}

}  // namespace
}  // namespace basin::test
