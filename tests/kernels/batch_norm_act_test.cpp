// Batch norm, in training and with given statistics, and the running statistics.
#include <gtest/gtest.h>

#include "kernels/error.h"
#include "kernels/norm_act.h"
#include "kernels/simd.h"
#include "tests/support/norm_reference.h"

namespace basin {
namespace {

using namespace basin::test;

template <class T>
class BatchNormAct : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(BatchNormAct, Types);

const NormShape kShapes[] = {{2, 49, 16, 1},  {1, 300, 33, 1}, {3, 16, 130, 1}, {2, 1, 24, 1},
                             {2, 5, 9, 1},    {4, 17, 7, 1},   {3, 81, 3, 1},   {2, 4, 512, 1},
                             {1, 2, 1040, 1}, {1, 290, 1, 1}};

TYPED_TEST(BatchNormAct, AgreesWithPlainLoops) {
  for (const NormShape& shape : kShapes) expect_all_norms<TypeParam>(NormKind::Batch, shape);
}

TYPED_TEST(BatchNormAct, GivenStatisticsAgreeWithPlainLoops) {
  for (const NormShape& shape : kShapes) expect_all_norms<TypeParam>(NormKind::Fixed, shape);
}

TYPED_TEST(BatchNormAct, TwoThreadsShareTheRows) {
  expect_all_norms<TypeParam>(NormKind::Batch, {3, 997, 16, 1});
  expect_all_norms<TypeParam>(NormKind::Fixed, {3, 997, 16, 1});
}

TYPED_TEST(BatchNormAct, TakesUnalignedArrays) {
  expect_all_norms<TypeParam>(NormKind::Batch, {2, 21, 40, 1}, 3);
}

TYPED_TEST(BatchNormAct, LargeMeanSmallDeviation) {
  NormCase<TypeParam> c({4, 1024, 16, 1});
  for (TypeParam& v : c.x) v = TypeParam(1e4) + v * TypeParam(0.05);
  for (const int threads : {1, 2}) {
    expect_norm(c, {NormKind::Batch, Activation::Relu, false, Write::Overwrite, threads});
  }
}

TYPED_TEST(BatchNormAct, MeanThatJumps) {
  NormCase<TypeParam> c({2, 1500, 16, 1});
  for (int64_t i = 20 * 16; i < c.shape.size(); ++i) c.x[i] += TypeParam(1e4);
  expect_norm(c, {NormKind::Batch, Activation::Relu, false, Write::Overwrite, 2});
}

TYPED_TEST(BatchNormAct, RefusesOneValueAChannel) {
  const NormCase<TypeParam> c({1, 1, 8, 1});
  const NormOptions o{NormKind::Batch, Activation::Relu, false, Write::Overwrite, 1};
  EXPECT_THROW(NormRun<TypeParam>(c, o), Error);
}

TYPED_TEST(BatchNormAct, RunningStatistics) {
  using T = TypeParam;
  for (const int64_t c : kOddSizes) {
    const std::vector<T> mean = random_values<T>(c, 1), variance = random_values<T>(c, 2);
    const std::vector<T> mean_before = random_values<T>(c, 3), before = random_values<T>(c, 4);
    Guarded<T> running_mean(mean_before), running_variance(before);
    update_running_statistics(Stream::cpu(1), c, 0.1, mean.data(), variance.data(),
                              running_mean.data(), running_variance.data());
    Doubles expected_mean(c), expected_variance(c);
    for (int64_t j = 0; j < c; ++j) {
      expected_mean[j] = 0.9 * double{mean_before[j]} + 0.1 * double{mean[j]};
      expected_variance[j] = 0.9 * double{before[j]} + 0.1 * double{variance[j]};
    }
    EXPECT_TRUE(all_close(running_mean.span(), expected_mean, 4, 4.0));
    EXPECT_TRUE(all_close(running_variance.span(), expected_variance, 4, 4.0));
    EXPECT_TRUE(running_mean.intact() && running_variance.intact());
  }
}

// Tensors in bfloat16, parameters and statistics in float.
TEST(BatchNormActBfloat16, AgreesWithPlainLoops) {
  if (!cpu::has_bfloat16()) GTEST_SKIP() << "found " << cpu::instruction_set();
  for (const NormShape& shape : kShapes) expect_all_norms<bfloat16>(NormKind::Batch, shape);
  expect_all_norms<bfloat16>(NormKind::Batch, {3, 997, 16, 1});
  for (const NormShape& shape : kShapes) expect_all_norms<bfloat16>(NormKind::Fixed, shape);
  expect_all_norms<bfloat16>(NormKind::Fixed, {3, 997, 16, 1});
}

TEST(BatchNormActGradient, AgreesWithDifferences) {
  expect_gradients(NormKind::Batch, {3, 5, 4, 1}, Activation::None);
  expect_gradients(NormKind::Batch, {3, 4, 5, 1}, Activation::Relu);
  expect_gradients(NormKind::Fixed, {2, 4, 5, 1}, Activation::Relu);
}

}  // namespace
}  // namespace basin
