// The roofline's arithmetic, and what an op's pass is counted as.
#include "tools/roofline.h"

#include <gtest/gtest.h>

#include "engine/ops.h"
#include "tools/op_cost.h"

namespace basin::test {
namespace {

// 100 flops a second; 20 bytes a second in cache (working sets of 64), 5 from memory (of 6400).
const Ceilings kMachine{100, {20, 64}, {5, 6400}};

TEST(Roofline, BelowTheRidgeBandwidthHolds) {
  const Work work{.seconds = 4, .flops = 80, .bytes = 40, .working_set = 10};
  EXPECT_EQ(work.intensity(), 2);
  const Attainable most = attainable(kMachine, work);
  EXPECT_EQ(most.roof, Roof::Cache);
  EXPECT_EQ(most.flops_per_second, 40);  // 2 flops a byte, 20 bytes a second
  EXPECT_EQ(most.seconds, 2);
  EXPECT_EQ(share_of_roof(kMachine, work), 0.5);
}

TEST(Roofline, AboveTheRidgeThePeakHolds) {
  const Work work{.seconds = 8, .flops = 800, .bytes = 40, .working_set = 10};
  const Attainable most = attainable(kMachine, work);
  EXPECT_EQ(most.roof, Roof::Compute);
  EXPECT_EQ(most.flops_per_second, 100);
  EXPECT_EQ(share_of_roof(kMachine, work), 1);
}

TEST(Roofline, TheNearerWorkingSetChoosesTheBandwidth) {
  Work work{.seconds = 1, .flops = 1, .bytes = 1, .working_set = 639};  // 640 lies between
  EXPECT_EQ(attainable(kMachine, work).roof, Roof::Cache);
  work.working_set = 641;
  EXPECT_EQ(attainable(kMachine, work).roof, Roof::Memory);
  EXPECT_EQ(attainable(kMachine, work).flops_per_second, 5);
}

TEST(Roofline, WorkWithoutFlopsIsHeldAgainstBandwidth) {
  const Work work{.seconds = 10, .flops = 0, .bytes = 100, .working_set = 100};
  EXPECT_EQ(attainable(kMachine, work).flops_per_second, 0);
  EXPECT_EQ(share_of_roof(kMachine, work), 0.5);
  EXPECT_EQ(share_of_roof(kMachine, Work{}), 0);
}

TEST(Roofline, FewerFlopsThanCountedPassTheRoof) {
  EXPECT_EQ(share_of_roof(kMachine, {.seconds = 1, .flops = 225, .bytes = 1, .working_set = 1}),
            2.25);
}

TEST(Ceilings, AreMeasured) {
  for (const int threads : {1, 2}) {
    const Ceilings c = measure_ceilings(threads);
    EXPECT_GT(c.flops_per_second, 0);
    EXPECT_GT(c.cache.bytes_per_second, 0);
    EXPECT_GT(c.memory.bytes_per_second, 0);
    EXPECT_GT(c.memory.working_set, c.cache.working_set);
  }
}

TEST(OpCost, ConvolutionNormPoolAndProduct) {
  const Stream stream = Stream::cpu(1);
  Layout layout;
  layout.add("w", Role::Weight, Shape{5, 3, 3, 4});
  layout.add("gamma", Role::NormScale, Shape{5});
  layout.add("beta", Role::NormBias, Shape{5});
  layout.add("v", Role::Weight, Shape{7, 5});
  const Arena at(stream, std::make_shared<const Layout>(layout), DType::Float32);
  zero(stream, at.data(), at.size() * int64_t{sizeof(float)});
  Tape tape(stream, at);
  const std::vector<float> images(2 * 6 * 6 * 4);
  const std::vector<int32_t> labels{0, 1};
  const Variable x = tape.input("x", {2, 6, 6, 4}, DType::Float32, images.data());
  const Variable y = conv2d(x, tape.parameter("w"), {.stride = 1, .padding = 1});
  const Variable z =
      group_norm_act(y, tape.parameter("gamma"), tape.parameter("beta"), {.groups = 1});
  const Variable logits = linear(global_pool(z), tape.parameter("v"));
  tape.freeze({cross_entropy(logits, tape.input("y", {2}, DType::Int32, labels.data())).loss});
  const Program& program = tape.program();
  const auto cost = [&](int node, Pass pass) { return op_cost(program, node, pass); };

  const int64_t in = 2 * 36 * 4, out = 2 * 36 * 5;
  ASSERT_EQ(program.nodes[0].op->name(), "conv2d");
  EXPECT_TRUE(is_product(program, 0));
  EXPECT_EQ(cost(0, Pass::Forward).bytes(), 4 * (in + 5 * 36 + out));
  EXPECT_EQ(cost(0, Pass::Forward).flops, 2 * out * 36);
  EXPECT_EQ(cost(0, Pass::Backward).flops, 2 * out * 36);  // the images want no gradient

  EXPECT_FALSE(is_product(program, 1));
  EXPECT_EQ(cost(1, Pass::Forward).bytes(), 4 * 2 * out);
  EXPECT_EQ(cost(1, Pass::Forward).flops, out * (4 + 4));
  EXPECT_EQ(cost(1, Pass::Backward).bytes(), 4 * 3 * out);

  EXPECT_EQ(cost(2, Pass::Forward).bytes(), 4 * (out + 10));  // the pool
  EXPECT_EQ(cost(2, Pass::Backward).bytes(), 4 * (10 + out));
  EXPECT_EQ(cost(2, Pass::Forward).flops, 0);

  EXPECT_EQ(cost(3, Pass::Forward).flops, 2 * 2 * 7 * 5);
  EXPECT_EQ(cost(3, Pass::Backward).flops, 2 * 2 * 2 * 7 * 5);
}

}  // namespace
}  // namespace basin::test
