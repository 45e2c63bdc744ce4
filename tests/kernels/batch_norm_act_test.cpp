// Batch norm, in training and with given statistics, and the running statistics.
#include <gtest/gtest.h>

#include "kernels/batch_norm_act.cuh"
#include "kernels/error.h"
#include "kernels/norm_act.h"
#include "kernels/norm_act_join.cuh"
#include "kernels/simd.h"
#include "tests/support/block.h"
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
  expect_norm_on_each(c, {NormKind::Batch, Activation::Relu, false, Write::Overwrite});
}

TYPED_TEST(BatchNormAct, MeanThatJumps) {
  NormCase<TypeParam> c({2, 1500, 16, 1});
  for (int64_t i = 20 * 16; i < c.shape.size(); ++i) c.x[i] += TypeParam(1e4);
  expect_norm_on_each(c, {NormKind::Batch, Activation::Relu, false, Write::Overwrite});
}

TYPED_TEST(BatchNormAct, RefusesOneValueAChannel) {
  const NormCase<TypeParam> c({1, 1, 8, 1});
  const NormOptions o{NormKind::Batch, Activation::Relu, false, Write::Overwrite};
  EXPECT_THROW(NormRun<TypeParam>(c, o), Error);
}

TYPED_TEST(BatchNormAct, RunningStatistics) {
  using T = TypeParam;
  for (const int64_t c : kOddSizes) {
    const std::vector<T> mean = random_values<T>(c, 1), variance = random_values<T>(c, 2);
    const std::vector<T> mean_before = random_values<T>(c, 3), before = random_values<T>(c, 4);
    Doubles expected_mean(c), expected_variance(c);
    for (int64_t j = 0; j < c; ++j) {
      expected_mean[j] = 0.9 * double{mean_before[j]} + 0.1 * double{mean[j]};
      expected_variance[j] = 0.9 * double{before[j]} + 0.1 * double{variance[j]};
    }
    for (const Stream& stream : norm_streams<T>()) {
      const Placed<T> means(stream, mean), variances(stream, variance);
      Placed<T> running_mean(stream, mean_before), running_variance(stream, before);
      update_running_statistics(stream, c, 0.1, means.data(), variances.data(), running_mean.data(),
                                running_variance.data());
      EXPECT_TRUE(all_close(running_mean.span(), expected_mean, 4, 4.0)) << name(stream);
      EXPECT_TRUE(all_close(running_variance.span(), expected_variance, 4, 4.0)) << name(stream);
      EXPECT_TRUE(running_mean.intact() && running_variance.intact());
    }
  }
}

// Tensors in bfloat16, parameters and statistics in float.
TEST(BatchNormActBfloat16, AgreesWithPlainLoops) {
  if (norm_streams<bfloat16>().empty()) GTEST_SKIP() << "found " << cpu::instruction_set();
  for (const NormShape& shape : kShapes) expect_all_norms<bfloat16>(NormKind::Batch, shape);
  expect_all_norms<bfloat16>(NormKind::Batch, {3, 997, 16, 1});
  for (const NormShape& shape : kShapes) expect_all_norms<bfloat16>(NormKind::Fixed, shape);
  expect_all_norms<bfloat16>(NormKind::Fixed, {3, 997, 16, 1});
}

// By few threads, which take a part in several strips and chunks.
template <class T, int W>
void expect_batch_bodies(const NormShape& shape, int64_t part_rows, int threads) {
  using F = Wide<T>;
  const NormCase<T> c(shape);
  const NormOptions o{NormKind::Batch, Activation::Relu, true, Write::Accumulate};
  const int64_t size = shape.size(), rows = shape.n * shape.positions, k = shape.c;
  const int64_t parts = ceil_div(rows, part_rows);
  const double share = 1 / static_cast<double>(rows);
  const Guarded<T> x(c.x), residual(c.residual), dy(c.dy);
  const Guarded<F> gamma(c.gamma), beta(c.beta);
  Guarded<T> sum(size), y(size), ds(c.ds_before);
  Guarded<double> means(parts * k), m2s(parts * k);
  Guarded<F> mean(k), rstd(k), unbiased(k), dgammas(parts * k), dbetas(parts * k), offset(k),
      slope(k);
  Guarded<F> dgamma(std::vector<F>(k, F(0.5))), dbeta(std::vector<F>(k, F(0.5)));
  const ChannelArrays<F> p{mean.data(), rstd.data(), gamma.data(), beta.data(), floor_of<F>(o.act)};
  run_blocks<BatchMoments<T, W>>(3, threads, rows, part_rows, k, x.data(), residual.data(),
                                 sum.data(), means.data(), m2s.data());
  run_blocks<MomentJoin<F>>(2, threads, rows, part_rows, k, means.data(), m2s.data(), o.eps,
                            mean.data(), rstd.data(), unbiased.data());
  const T* no_residual = nullptr;
  T* no_sum = nullptr;
  run_blocks<NormaliseRows<T, W>>(3, threads, rows, k, sum.data(), no_residual, no_sum, p,
                                  y.data());
  run_blocks<GradientSums<T, W>>(3, threads, rows, part_rows, k, dy.data(), sum.data(), p,
                                 dgammas.data(), dbetas.data());
  run_blocks<GradientJoin<F>>(2, threads, parts, k, dgammas.data(), dbetas.data(), dgamma.data(),
                              dbeta.data(), o.mode, gamma.data(), rstd.data(), share, offset.data(),
                              slope.data());
  run_blocks<BackwardRows<T, W>>(3, threads, rows, k, dy.data(), sum.data(), p, offset.data(),
                                 slope.data(), ds.data(), o.mode);
  SCOPED_TRACE(testing::Message() << threads << " threads, accesses of " << W);
  expect_result<T>(c, o,
                   {sum.values(), y.values(), ds.values(), mean.values(), rstd.values(),
                    unbiased.values(), dgamma.values(), dbeta.values()});
  for (const auto* g : {&sum, &y, &ds}) EXPECT_TRUE(g->intact());
  EXPECT_TRUE(means.intact() && m2s.intact() && offset.intact() && slope.intact());
  for (const auto* g : {&mean, &rstd, &unbiased, &dgammas, &dbetas, &dgamma, &dbeta}) {
    EXPECT_TRUE(g->intact());
  }
}

TEST(BatchNormActBodies, AgreeWithPlainLoops) {
  for (const int threads : {1, 16, 64}) {
    expect_batch_bodies<float, 4>({2, 45, 24, 1}, 31, threads);
    expect_batch_bodies<float, 1>({1, 39, 33, 1}, 20, threads);
    expect_batch_bodies<double, 2>({2, 9, 12, 1}, 18, threads);
    expect_batch_bodies<bfloat16, 8>({3, 43, 48, 1}, 100, threads);
  }
}

TEST(BatchNormActGradient, AgreesWithDifferences) {
  expect_gradients(NormKind::Batch, {3, 5, 4, 1}, Activation::None);
  expect_gradients(NormKind::Batch, {3, 4, 5, 1}, Activation::Relu);
  expect_gradients(NormKind::Fixed, {2, 4, 5, 1}, Activation::Relu);
}

}  // namespace
}  // namespace basin
