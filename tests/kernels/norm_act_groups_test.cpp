// Group norm whose images fall into groups with gamma and beta, or their gradients, of their own:
// each group is held to what a norm of its images alone is.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/error.h"
#include "kernels/norm_act.h"
#include "tests/support/groups.h"
#include "tests/support/norm_reference.h"

namespace basin::test {
namespace {

template <class T>
struct GroupsCase {
  // `each`: of one group.
  GroupsCase(const NormShape& each, int64_t of, int64_t gap)
      : part(each),
        whole(each),
        groups{of, each.c + gap},
        all({of * each.n, each.positions, each.c, each.groups}),
        gamma(random_values<Wide<T>>(of * each.c, 14)),
        beta(random_values<Wide<T>>(of * each.c, 15, 0.5)) {
    whole.n *= of;
  }
  // One group's images, with its parameters or the first one's.
  NormCase<T> one(int64_t g, bool own) const {
    NormCase<T> c(part);
    const auto images = [&](const std::vector<T>& from) { return slice(from, g, part.size()); };
    c.x = images(all.x), c.residual = images(all.residual), c.dy = images(all.dy);
    c.ds_before = images(all.ds_before);
    c.gamma = slice(gamma, own ? g : 0, part.c), c.beta = slice(beta, own ? g : 0, part.c);
    return c;
  }
  template <class V>
  static std::vector<V> slice(const std::vector<V>& from, int64_t g, int64_t n) {
    return {from.begin() + g * n, from.begin() + (g + 1) * n};
  }

  NormShape part, whole;
  ParameterGroups groups;
  NormCase<T> all;
  std::vector<Wide<T>> gamma, beta;  // [groups, c]
};

// What both passes write, of all images, the gradients as they lie.
template <class T>
NormResult<T> run(const GroupsCase<T>& c, const NormOptions& o, ParameterGroups parameters,
                  ParameterGroups gradients) {
  using F = Wide<T>;
  const Stream& stream = o.stream;
  const NormShape& shape = c.whole;
  const bool add = o.mode == Write::Accumulate;
  const Placed<T> x(stream, c.all.x), residual(stream, c.all.residual), dy(stream, c.all.dy);
  const Placed<F> gamma(stream, spread(c.gamma, c.groups, shape.c), o.offset);
  const Placed<F> beta(stream, spread(c.beta, c.groups, shape.c), o.offset);
  Placed<T> sum(stream, shape.size()), y(stream, shape.size());
  Placed<T> ds = add ? Placed<T>(stream, c.all.ds_before) : Placed<T>(stream, shape.size());
  Placed<F> mean(stream, shape.n * shape.groups), rstd(stream, shape.n * shape.groups);
  const std::vector<F> halves(gradients.count * shape.c, F(0.5));
  const auto gradient = [&] {
    if (add) return Placed<F>(stream, spread(halves, gradients, shape.c), o.offset);
    return Placed<F>(stream, extent_of(gradients, shape.c), o.offset);
  };
  Placed<F> dgamma = gradient(), dbeta = gradient();
  Placed<char> scratch(stream, group_norm_act_scratch<T>(stream, shape));
  group_norm_act_forward(stream, shape, x.data(), residual.data(), gamma.data(), beta.data(), o.eps,
                         o.act, sum.data(), y.data(), mean.data(), rstd.data(), scratch.data(),
                         parameters);
  group_norm_act_backward(stream, shape, dy.data(), sum.data(), gamma.data(), beta.data(),
                          mean.data(), rstd.data(), o.act, ds.data(), o.mode, dgamma.data(),
                          dbeta.data(), o.mode, scratch.data(), parameters, gradients);
  for (const auto* a : {&sum, &y, &ds}) EXPECT_TRUE(a->intact());
  EXPECT_TRUE(gamma.intact() && beta.intact());
  for (const auto* a : {&mean, &rstd, &dgamma, &dbeta}) EXPECT_TRUE(a->intact());
  EXPECT_TRUE(scratch.intact());
  EXPECT_TRUE(gaps_intact(dgamma.span(), gradients, shape.c));
  EXPECT_TRUE(gaps_intact(dbeta.span(), gradients, shape.c));
  return {sum.values(),  y.values(), ds.values(),     mean.values(),
          rstd.values(), {},         dgamma.values(), dbeta.values()};
}

template <class T>
void expect_each_group(const GroupsCase<T>& c, const NormOptions& o, const NormResult<T>& found,
                       bool own) {
  for (int64_t g = 0; g < c.groups.count; ++g) {
    SCOPED_TRACE(testing::Message()
                 << "group " << g << " of " << c.groups.count << " by " << c.groups.stride);
    const auto images = [&](const auto& from) {
      return GroupsCase<T>::slice(from, g, static_cast<int64_t>(from.size()) / c.groups.count);
    };
    const auto gradient = [&](const std::vector<Wide<T>>& from) {
      return group_of<Wide<T>>(from, c.groups, c.part.c, g);
    };
    expect_result<T>(c.one(g, own), o,
                     {images(found.sum),
                      images(found.y),
                      images(found.ds),
                      images(found.mean),
                      images(found.rstd),
                      {},
                      gradient(found.dgamma),
                      gradient(found.dbeta)});
  }
}

template <class T>
void expect_groups(const NormShape& each, int64_t count, int64_t gap, int64_t offset = 0) {
  const GroupsCase<T> c(each, count, gap);
  for (const Write mode : {Write::Overwrite, Write::Accumulate}) {
    NormOptions o{.kind = NormKind::Group,
                  .act = Activation::Relu,
                  .residual = true,
                  .mode = mode,
                  .offset = offset};
    for (const Stream& stream : norm_streams<T>()) {
      o.stream = stream;
      const auto both = run(c, o, c.groups, c.groups);
      expect_each_group(c, o, both, true);
      EXPECT_TRUE(run(c, o, c.groups, c.groups).same_bytes_as(both)) << name(stream);
      expect_each_group(c, o, run(c, o, {}, c.groups), false);

      // One gradient is the sum of the groups', and all else is as it was.
      auto single = run(c, o, c.groups, {});
      for (const auto& [sum, parts] :
           {std::pair(&single.dgamma, &both.dgamma), std::pair(&single.dbeta, &both.dbeta)}) {
        const double held = mode == Write::Accumulate ? 0.5 : 0;
        Doubles expected(each.c, held);
        for (int64_t i = 0; i < count * each.c; ++i) {
          expected[i % each.c] += (*parts)[i / each.c * c.groups.stride + i % each.c] - held;
        }
        const double terms = static_cast<double>(count * each.n * each.positions) * 16;
        EXPECT_TRUE(all_close(*sum, expected, 16, terms));
      }
      single.dgamma = both.dgamma, single.dbeta = both.dbeta;
      EXPECT_TRUE(single.same_bytes_as(both)) << name(stream);
    }
  }
}

template <class T>
class GroupNormActGroups : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(GroupNormActGroups, Types);

TYPED_TEST(GroupNormActGroups, AgreeWithNormsOfTheirImages) {
  expect_groups<TypeParam>({1, 16, 16, 8}, 1, 0);
  expect_groups<TypeParam>({1, 49, 16, 8}, 8, 16);
  expect_groups<TypeParam>({3, 16, 32, 8}, 2, 0);
  expect_groups<TypeParam>({2, 21, 24, 3}, 3, 40);
  expect_groups<TypeParam>({1, 337, 33, 11}, 3, 15);
  expect_groups<TypeParam>({1, 5, 9, 3}, 8, 0);
}

// Strides that are no multiple of a vector, and arrays that do not lie on one.
TYPED_TEST(GroupNormActGroups, TakeMisalignedStrides) {
  expect_groups<TypeParam>({2, 21, 16, 8}, 3, 3);
  expect_groups<TypeParam>({2, 21, 16, 8}, 3, 16, 3);
}

// So much work that two threads share it, by whole groups and within one.
TYPED_TEST(GroupNormActGroups, AreSharedByThreads) {
  expect_groups<TypeParam>({1, 1024, 16, 8}, 5, 0);
  const GroupsCase<TypeParam> c({4, 1024, 16, 8}, 2, 16);
  NormOptions o{NormKind::Group, Activation::Relu, true, Write::Overwrite, Stream::cpu(3)};
  expect_each_group(c, o, run(c, o, c.groups, c.groups), true);
}

TEST(GroupNormActGroupsBfloat16, AgreeWithNormsOfTheirImages) {
  if (norm_streams<bfloat16>().empty()) GTEST_SKIP() << "found " << cpu::instruction_set();
  expect_groups<bfloat16>({2, 49, 16, 8}, 3, 16);
  expect_groups<bfloat16>({1, 21, 24, 3}, 8, 5);
}

TEST(GroupNormActGroupsErrors, ImagesThatDoNotDivideAreNamed) {
  const GroupsCase<float> c({3, 4, 8, 2}, 1, 0);
  const NormOptions o{NormKind::Group, Activation::Relu, true, Write::Overwrite};
  try {
    run(c, o, {2, 8}, {});
    FAIL() << "expected an error";
  } catch (const Error& e) {
    EXPECT_STREQ(
        e.what(),
        "[group_norm_act] images: found 2 parameter groups of 3 images, expected a divisor");
  }
}

}  // namespace
}  // namespace basin::test
