// The ascent of groups against float64, and to the byte against SamAscent of each group alone.
#include "kernels/sam_groups.h"

#include <gtest/gtest.h>

#include "kernels/sam_groups.cuh"
#include "tests/support/block.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/groups.h"

namespace basin::test {
namespace {

template <class T>
class SamGroupsTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(SamGroupsTest, Scalars);

constexpr double kRho = 0.05;

template <class T>
struct Case {
  Case(ParameterGroups of, int64_t size)
      : groups(of), n(size), w(random_values<T>(n, 1)), g(random_values<T>(groups.count * n, 2)) {
    for (int64_t k = 0; k < groups.count; ++k) {
      double total = 0;
      for (int64_t i = 0; i < n; ++i) total += double{g[k * n + i]} * double{g[k * n + i]};
      squared_norms.push_back(total);
    }
  }
  std::vector<double> expected(Normalise normalise) const {
    std::vector<double> points;
    for (int64_t i = 0; i < groups.count * n; ++i) {
      const double norm = std::sqrt(squared_norms[i / n]) + 1e-12;
      points.push_back(w[i % n] + (normalise == Normalise::Yes ? kRho / norm : kRho) * g[i]);
    }
    return points;
  }
  ParameterGroups groups;
  int64_t n;
  std::vector<T> w, g;
  std::vector<double> squared_norms;
};

TYPED_TEST(SamGroupsTest, EachGroupHasItsOwnPoint) {
  using T = TypeParam;
  for (const int64_t n : {int64_t{1}, int64_t{15}, int64_t{1024}, int64_t{9001}}) {
    const int64_t aligned = round_up<int64_t>(n, 16) + 16;
    for (const ParameterGroups groups : {ParameterGroups{1, 0},
                                         {2, n},
                                         {3, aligned},
                                         {8, aligned},
                                         {9, aligned + 1},
                                         {17, round_up<int64_t>(n, 16)}}) {
      const Case<T> c(groups, n);
      for (const Normalise normalise : {Normalise::Yes, Normalise::No}) {
        const auto expected = c.expected(normalise);
        SameOnEachDevice<T> same;
        for (const Stream& stream : streams({1, 2, 3})) {
          SCOPED_TRACE(testing::Message() << groups.count << " of " << n << " by " << groups.stride
                                          << ", " << name(stream));
          const Placed<T> w(stream, c.w), g(stream, spread(c.g, groups, n));
          const Placed<double> norms(stream, c.squared_norms);
          const Placed<double> rho(stream, std::vector<double>{kRho});
          Placed<T> points(stream, extent_of(groups, n)), alone(stream, n);
          sam_ascent_groups(stream, groups, n, w.data(), g.data(), norms.data(), rho.data(),
                            normalise, points.data());
          const auto found = points.values();
          EXPECT_TRUE(all_close(gathered<T>(found, groups, n), expected, 3, 5 * kRho));
          EXPECT_TRUE(gaps_intact<T>(found, groups, n));
          EXPECT_TRUE(points.intact() && w.intact() && g.intact() && norms.intact());
          EXPECT_TRUE(same(stream, gathered<T>(found, groups, n)));
          for (const int64_t k : {int64_t{0}, groups.count - 1}) {
            const SamAscent<T> ascent{norms.data() + k, rho.data(), normalise};
            map<T>(stream, ascent, n, {w.data(), g.data() + k * groups.stride}, {alone.data()});
            EXPECT_TRUE(same_bytes(alone.values(), group_of<T>(found, groups, n, k)));
          }
        }
      }
    }
  }
}

TYPED_TEST(SamGroupsTest, InPlaceAndNormsUnreadWhereNotNormalised) {
  using T = TypeParam;
  const Case<T> c({3, 112}, 100);
  for (const Stream& stream : streams({2})) {
    const Placed<T> w(stream, c.w);
    Placed<T> g(stream, spread(c.g, c.groups, c.n));
    const Placed<double> rho(stream, std::vector<double>{kRho});
    sam_ascent_groups<T>(stream, c.groups, c.n, w.data(), g.data(), nullptr, rho.data(),
                         Normalise::No, g.data());
    EXPECT_TRUE(all_close(gathered<T>(g.span(), c.groups, c.n), c.expected(Normalise::No), 3, 1));
  }
}

// A group without a gradient stays at w, one that is not finite moves itself alone.
TYPED_TEST(SamGroupsTest, ZeroAndNanKeepToTheirGroups) {
  using T = TypeParam;
  const int64_t n = 33;
  Case<T> c({3, 48}, n);
  std::fill_n(c.g.begin(), n, T(0));
  c.squared_norms[0] = 0;
  c.squared_norms[1] = poison<double>();
  for (const Stream& stream : streams({1})) {
    const Placed<T> w(stream, c.w), g(stream, spread(c.g, c.groups, n));
    const Placed<double> norms(stream, c.squared_norms);
    const Placed<double> rho(stream, std::vector<double>{kRho});
    Placed<T> points(stream, extent_of(c.groups, n));
    sam_ascent_groups(stream, c.groups, n, w.data(), g.data(), norms.data(), rho.data(),
                      Normalise::Yes, points.data());
    EXPECT_TRUE(same_bytes(group_of<T>(points.span(), c.groups, n, 0), c.w)) << name(stream);
    for (const T v : group_of<T>(points.span(), c.groups, n, 1)) EXPECT_TRUE(std::isnan(v));
    for (const T v : group_of<T>(points.span(), c.groups, n, 2)) EXPECT_TRUE(std::isfinite(v));
  }
}

TYPED_TEST(SamGroupsTest, TheBodyOfTheOtherBackendDoesTheSame) {
  using T = TypeParam;
  for (const auto& [groups, n] : {std::pair(ParameterGroups{11, 80}, int64_t{67}),
                                  std::pair(ParameterGroups{3, 301}, int64_t{301})}) {
    const Case<T> c(groups, n);
    for (const int threads : {1, 16, 64}) {
      for (const Access access : {Access::Packed, Access::Single}) {
        if (access == Access::Packed && groups.stride % kPackSize<T> != 0) continue;
        const Guarded<T> w(c.w), g(spread(c.g, groups, n));
        Guarded<T> points(extent_of(groups, n));
        const SamAscent<T> ascent{c.squared_norms.data(), &kRho, Normalise::Yes};
        run_blocks<SamAscentGroups<T>>(3, threads, groups, n, access, w.data(), g.data(), ascent,
                                       points.data());
        EXPECT_TRUE(all_close(gathered<T>(points.span(), groups, n), c.expected(Normalise::Yes), 3,
                              5 * kRho));
        EXPECT_TRUE(points.intact() && gaps_intact<T>(points.span(), groups, n));
      }
    }
  }
}

TEST(SamGroupsCost, ReadsTheWeightsOnceForSeveralGroups) {
  constexpr Cost cost = sam_ascent_groups_cost<float>(9, 10);
  static_assert(cost.bytes_read == (9 + 2) * 40 && cost.bytes_written == 9 * 40);
  static_assert(cost.flops == 9 * 10 * 2);
  // Of one group, it is SamAscent's.
  static_assert(sam_ascent_groups_cost<float>(1, 10).bytes() ==
                element_cost<SamAscent<float>, float>(10).bytes());
}

}  // namespace
}  // namespace basin::test
