// A step on a CUDA device (the emulated one, or a GPU) is the CPU's, for every network, optimiser
// and precision.
#include <fmt/format.h>
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

// What is further apart than the tolerance, or "".
std::string difference(const OneStep& found, const OneStep& expected, double tolerance) {
  std::string text;
  const auto compare = [&](const char* what, const std::vector<double> OneStep::*part) {
    const double d = distance(found.*part, expected.*part);
    if (!(d <= tolerance)) text += fmt::format(" {} by {:.1e}", what, d);
  };
  compare("losses", &OneStep::losses);
  compare("logits", &OneStep::logits);
  compare("gradient", &OneStep::gradient);
  compare("epsilon", &OneStep::epsilon);
  compare("perturbed", &OneStep::perturbed);
  compare("weights", &OneStep::weights);
  compare("momentum", &OneStep::momentum);
  compare("statistics", &OneStep::statistics);
  return text;
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
    for (const DType dtype : {DType::Float64, DType::Float32}) {
      // In float32 a rounding now and then turns a ReLU over, and the gradient by degrees: then
      // other weights are tried.
      const bool exact = dtype == DType::Float64;
      const uint64_t tries = exact ? 1 : 3;
      std::string apart;
      for (uint64_t seed = 5; seed < 5 + tries; ++seed) {
        const auto on = [&](const Stream& stream) {
          return one_step(stream, GetParam(), 4, dtype, o, seed);
        };
        const OneStep found = on(Stream::cuda(0)), expected = on(Stream::cpu(2));
        ASSERT_EQ(found.losses.size(), expected.losses.size());
        expect_equal(found, on(Stream::cuda(0)));  // and in another order of blocks and warps
        apart = difference(found, expected, exact ? 1e-11 : 1e-4);
        if (apart.empty()) break;
      }
      EXPECT_EQ(apart, "") << name << ", " << dtype_name(dtype);
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
