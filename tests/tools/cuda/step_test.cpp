// A step on a CUDA device (the emulated one, or a GPU) is the CPU's, for every network, optimiser
// and precision.
#include <gtest/gtest.h>

#include "kernels/simd.h"
#include "tests/support/device.h"
#include "tests/support/one_step.h"

namespace basin::test {
namespace {

constexpr int64_t kBatch = 6;

StepOptions options_of(const std::string& optimizer) {
  StepOptions o;
  o.batch = kBatch;
  o.threads = 2;
  o.convolution = ConvAlgorithm::Direct;  // Winograd's rounding is larger
  o.l2 = 1e-3;
  o.optimizer.name = optimizer == "sgd" ? "sgd" : "sam";
  o.optimizer.rho = 0.1;
  o.optimizer.descent.decay = 5e-4;
  if (optimizer == "sam, three steps") {
    o.optimizer.sam_steps = 3;
    o.optimizer.sam_step_size = 0.5;
  }
  if (optimizer == "sam, frozen statistics") o.optimizer.statistics = StatisticsFrom::Frozen;
  return o;
}

void expect_close(const OneStep& found, const OneStep& expected, double tolerance,
                  const std::string& what) {
  ASSERT_EQ(found.losses.size(), expected.losses.size()) << what;
  EXPECT_LE(distance(found.losses, expected.losses), tolerance) << what;
  EXPECT_LE(distance(found.logits, expected.logits), tolerance) << what;
  EXPECT_LE(distance(found.gradient, expected.gradient), tolerance) << what;
  EXPECT_LE(distance(found.epsilon, expected.epsilon), tolerance) << what;
  EXPECT_LE(distance(found.perturbed, expected.perturbed), tolerance) << what;
  EXPECT_LE(distance(found.weights, expected.weights), tolerance) << what;
  EXPECT_LE(distance(found.momentum, expected.momentum), tolerance) << what;
  EXPECT_LE(distance(found.statistics, expected.statistics), tolerance) << what;
}

void expect_equal(const OneStep& a, const OneStep& b) {
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.perturbed, b.perturbed);
  EXPECT_EQ(a.weights, b.weights);
  EXPECT_EQ(a.momentum, b.momentum);
  EXPECT_EQ(a.statistics, b.statistics);
}

class StepOnCuda : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { ASSERT_GT(cuda_device_count(), 0) << cuda_device_description(0); }
};

TEST_P(StepOnCuda, IsTheCpusForEachOptimizer) {
  for (const char* name : {"sgd", "sam", "sam, three steps", "sam, frozen statistics"}) {
    const StepOptions o = options_of(name);
    const auto on = [&](const Stream& stream, DType dtype) {
      return one_step(stream, GetParam(), 4, dtype, o);
    };
    for (const DType dtype : {DType::Float64, DType::Float32}) {
      const OneStep found = on(Stream::cuda(0), dtype);
      const std::string what = std::string(name) + ", " + std::string(dtype_name(dtype));
      expect_close(found, on(Stream::cpu(2), dtype), dtype == DType::Float64 ? 1e-11 : 1e-4, what);
      expect_equal(found, on(Stream::cuda(0), dtype));  // and in another order of blocks and warps
    }
  }
}

TEST_P(StepOnCuda, RoundsWhereItIsAllowedTo) {
  StepOptions o = options_of("sam");
  const OneStep full = one_step(Stream::cpu(2), GetParam(), 4, DType::Float32, o);
  const OneStep tf32 = one_step(Stream::cuda(0, Tf32::Yes), GetParam(), 4, DType::Float32, o);
  EXPECT_LE(distance(tf32.losses, full.losses), 1e-2);
  EXPECT_GT(cosine(tf32.gradient, full.gradient), 0.99);
  EXPECT_GT(distance(tf32.logits, full.logits), 1e-5);  // the tensor cores were used
  if (std::string(GetParam()) == "mlp" || std::string(GetParam()) == "linear") return;
  o.precision = Precision::BFloat16;
  const OneStep narrow = one_step(Stream::cuda(0), GetParam(), 4, DType::Float32, o);
  EXPECT_LE(distance(narrow.losses, full.losses), 2e-2);
  EXPECT_GT(cosine(narrow.gradient, full.gradient), 0.97);
  EXPECT_GT(distance(narrow.logits, full.logits), 1e-4);
  expect_equal(narrow, one_step(Stream::cuda(0), GetParam(), 4, DType::Float32, o));
}

INSTANTIATE_TEST_SUITE_P(Models, StepOnCuda,
                         testing::Values("resnet_tiny", "resnet_tiny_gn", "resnet18", "resnet18_gn",
                                         "mlp", "linear"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace basin::test
