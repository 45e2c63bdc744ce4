// Group norm with its activation and residual, and what all norms share: element functions, costs.
#include "kernels/norm_act.h"

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "kernels/norm_act.cuh"
#include "kernels/norm_act_join.cuh"
#include "kernels/simd.h"
#include "tests/support/block.h"
#include "tests/support/counted.h"
#include "tests/support/norm_reference.h"

namespace basin {
namespace {

using namespace basin::test;

template <class T>
class GroupNormAct : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(GroupNormAct, Types);

// Channels around the vector widths, one and several channels a group, positions around the chunks.
const NormShape kShapes[] = {{2, 49, 16, 8},  {1, 1024, 16, 8}, {3, 16, 128, 8}, {2, 64, 24, 3},
                             {2, 5, 9, 3},    {1, 17, 7, 7},    {3, 81, 3, 1},   {1, 337, 33, 11},
                             {2, 4, 512, 32}, {1, 2, 1040, 1},  {5, 1, 32, 4},   {2, 15, 6, 2},
                             {1, 290, 1, 1},  {2, 7, 4, 2},     {1, 99, 10, 5},  {1, 2500, 8, 4}};

TYPED_TEST(GroupNormAct, AgreesWithPlainLoops) {
  for (const NormShape& shape : kShapes) expect_all_norms<TypeParam>(NormKind::Group, shape);
}

TYPED_TEST(GroupNormAct, TwoThreadsShareTheImages) {
  expect_all_norms<TypeParam>(NormKind::Group, {5, 1024, 16, 8});
}

TYPED_TEST(GroupNormAct, TakesUnalignedArrays) {
  expect_all_norms<TypeParam>(NormKind::Group, {2, 21, 48, 8}, 3);
}

// One value: the variance is 0 and y is beta.
TYPED_TEST(GroupNormAct, OneValueAGroup) {
  const NormCase<TypeParam> c({3, 1, 4, 4});
  for (const Stream& stream : norm_streams<TypeParam>()) {
    const NormRun<TypeParam> run(
        c, {NormKind::Group, Activation::None, false, Write::Overwrite, stream});
    for (int64_t i = 0; i < 12; ++i) EXPECT_EQ(run.y[i], c.beta[i % 4]);
  }
}

// E[x^2] - E[x]^2 in float32 would leave nothing of the variance here.
TYPED_TEST(GroupNormAct, LargeMeanSmallDeviation) {
  NormCase<TypeParam> c({2, 300, 32, 8});
  for (TypeParam& v : c.x) v = TypeParam(1e4) + v * TypeParam(0.05);
  for (const Activation act : {Activation::None, Activation::Relu}) {
    expect_norm_on_each(c, {NormKind::Group, act, false, Write::Overwrite});
  }
}

// The rows that the first mean is taken from say nothing about the rest.
TYPED_TEST(GroupNormAct, MeanThatJumps) {
  NormCase<TypeParam> c({1, 500, 16, 8});
  for (int64_t i = 20 * 16; i < c.shape.size(); ++i) c.x[i] += TypeParam(1e4);
  expect_norm_on_each(c, {NormKind::Group, Activation::Relu, false, Write::Overwrite});
}

// Channels of one group whose means are far apart.
TYPED_TEST(GroupNormAct, ChannelsFarApart) {
  NormCase<TypeParam> c({2, 64, 16, 4});
  for (int64_t i = 0; i < c.shape.size(); ++i) c.x[i] += TypeParam(100 * (i % 16));
  expect_norm_on_each(c, {NormKind::Group, Activation::None, true, Write::Overwrite});
}

TYPED_TEST(GroupNormAct, NanReachesTheOutputsOfItsGroupOnly) {
  NormCase<TypeParam> c({2, 9, 8, 2});
  c.x[5] = poison<TypeParam>();  // image 0, channel 5: group 1
  for (const Stream& stream : norm_streams<TypeParam>()) {
    const NormRun<TypeParam> run(
        c, {NormKind::Group, Activation::Relu, false, Write::Overwrite, stream});
    for (int64_t i = 0; i < c.shape.size(); ++i) {
      EXPECT_EQ(std::isnan(run.y[i]), i < 72 && i % 8 >= 4) << i << ", " << name(stream);
    }
  }
}

TYPED_TEST(GroupNormAct, NoImages) {
  const NormCase<TypeParam> c({0, 4, 8, 2});
  for (const Stream& stream : norm_streams<TypeParam>()) {
    const NormRun<TypeParam> run(
        c, {NormKind::Group, Activation::Relu, false, Write::Overwrite, stream});
    for (int64_t j = 0; j < 8; ++j) EXPECT_EQ(run.dgamma[j] + run.dbeta[j], TypeParam(0));
  }
}

TYPED_TEST(GroupNormAct, RefusesGroupsThatDoNotDivide) {
  const NormCase<TypeParam> c({1, 4, 8, 8});
  NormCase<TypeParam> wrong = c;
  wrong.shape.groups = 3;
  const NormOptions o{NormKind::Group, Activation::Relu, false, Write::Overwrite};
  EXPECT_THROW(NormRun<TypeParam>(wrong, o), Error);
}

// Tensors in bfloat16, parameters and statistics in float.
TEST(GroupNormActBfloat16, AgreesWithPlainLoops) {
  if (norm_streams<bfloat16>().empty()) GTEST_SKIP() << "found " << cpu::instruction_set();
  for (const NormShape& shape : kShapes) expect_all_norms<bfloat16>(NormKind::Group, shape);
  expect_all_norms<bfloat16>(NormKind::Group, {5, 1024, 16, 8});
  expect_all_norms<bfloat16>(NormKind::Group, {2, 21, 48, 8}, 3);
}

// By few threads, which take a tile in several strips and chunks.
template <class T, int W>
void expect_group_bodies(const NormShape& shape, int threads) {
  using F = Wide<T>;
  const NormCase<T> c(shape);
  const NormOptions o{NormKind::Group, Activation::Relu, true, Write::Accumulate};
  const int64_t size = shape.size(), parts = shape.n * shape.c, stats = shape.n * shape.groups;
  const Guarded<T> x(c.x), residual(c.residual), dy(c.dy);
  const Guarded<F> gamma(c.gamma), beta(c.beta);
  Guarded<T> sum(size), y(size), ds(c.ds_before);
  Guarded<F> mean(stats), rstd(stats), dgammas(parts), dbetas(parts);
  Guarded<F> dgamma(std::vector<F>(shape.c, F(0.5))), dbeta(std::vector<F>(shape.c, F(0.5)));
  const GroupTiling tiling = group_tiling<T, W>(shape);
  const F floor = floor_of<F>(o.act);
  const OneForAll parameters;
  run_blocks<GroupNormForward<T, W, OneForAll>>(3, threads, tiling, x.data(), residual.data(),
                                                sum.data(), gamma.data(), beta.data(), parameters,
                                                o.eps, floor, y.data(), mean.data(), rstd.data());
  run_blocks<GroupNormBackward<T, W, OneForAll>>(
      3, threads, tiling, dy.data(), sum.data(), gamma.data(), beta.data(), parameters, mean.data(),
      rstd.data(), floor, ds.data(), o.mode, dgammas.data(), dbetas.data());
  F* none = nullptr;
  run_blocks<GradientJoin<F>>(2, threads, shape.n, shape.c, dgammas.data(), dbetas.data(),
                              dgamma.data(), dbeta.data(), o.mode, none, none, 0.0, none, none);
  SCOPED_TRACE(testing::Message() << threads << " threads, accesses of " << W);
  expect_result<T>(c, o,
                   {sum.values(),
                    y.values(),
                    ds.values(),
                    mean.values(),
                    rstd.values(),
                    {},
                    dgamma.values(),
                    dbeta.values()});
  for (const auto* g : {&sum, &y, &ds}) EXPECT_TRUE(g->intact());
  for (const auto* g : {&mean, &rstd, &dgammas, &dbetas, &dgamma, &dbeta}) EXPECT_TRUE(g->intact());
}

TEST(GroupNormActBodies, AgreeWithPlainLoops) {
  for (const int threads : {1, 16, 64}) {
    expect_group_bodies<float, 4>({2, 21, 24, 3}, threads);
    expect_group_bodies<float, 1>({1, 19, 33, 3}, threads);
    expect_group_bodies<double, 2>({2, 9, 12, 6}, threads);
    expect_group_bodies<bfloat16, 8>({1, 130, 48, 24}, threads);
  }
}

TEST(GroupNormActGradient, AgreesWithDifferences) {
  expect_gradients(NormKind::Group, {2, 6, 8, 2}, Activation::None);
  expect_gradients(NormKind::Group, {2, 5, 6, 3}, Activation::Relu);
}

template <class Body>
int flops_of(const Body& body) {
  Counted::tally() = {};
  body();
  return Counted::tally().flops;
}

TEST(NormElement, DeclaresItsFlops) {
  using E = NormElement<Counted>;
  const Counted s(0.5), dy(2.0), mean(0.25), scale(1.5), shift(0.125), floor(0.0), k(0.75);
  Counted a(0.0), b(0.0);
  EXPECT_EQ(flops_of([&] { E::moments(s, mean, a, b); }), E::kMomentFlops);
  EXPECT_EQ(flops_of([&] { E::forward(s, mean, scale, shift, floor); }), E::kForwardFlops);
  EXPECT_EQ(flops_of([&] { E::masked(dy, s, scale, shift, floor); }), E::kMaskedFlops);
  EXPECT_EQ(flops_of([&] { E::sums(dy, s, mean, scale, shift, floor, a, b); }), E::kSumsFlops);
  EXPECT_EQ(flops_of([&] { E::backward(dy, s, mean, scale, shift, floor, k, k); }),
            E::kBackwardFlops);
}

TEST(NormCost, CountsEachTensorOnceAPass) {
  constexpr NormShape shape{2, 3, 4, 2};
  constexpr int64_t tensor = 24 * sizeof(float);
  constexpr Cost plain = norm_act_forward_cost<float>(NormKind::Group, shape, false);
  EXPECT_EQ(plain.bytes_read, tensor);
  EXPECT_EQ(plain.bytes_written, tensor);
  EXPECT_EQ(plain.flops, 24 * (4 + 4));
  constexpr Cost residual = norm_act_forward_cost<float>(NormKind::Batch, shape, true);
  EXPECT_EQ(residual.bytes_read, 3 * tensor);  // x, residual; sum again
  EXPECT_EQ(residual.bytes_written, 2 * tensor);
  EXPECT_EQ(residual.flops, 24 * (4 + 4 + 1));
  EXPECT_EQ(norm_act_forward_cost<float>(NormKind::Fixed, shape, false).flops, 24 * 4);
  constexpr Cost back = norm_act_backward_cost<float>(NormKind::Group, shape, Write::Accumulate);
  EXPECT_EQ(back.bytes_read, 3 * tensor);  // dy, s, ds
  EXPECT_EQ(back.bytes_written, tensor);
  EXPECT_EQ(back.flops, 24 * (7 + 8 + 1));
  EXPECT_EQ(norm_act_backward_cost<float>(NormKind::Batch, shape, Write::Overwrite).bytes(),
            5 * tensor);
}

}  // namespace
}  // namespace basin
