// The bias against a plain loop, for rows shorter and longer than the pattern it is repeated to.
#include "kernels/bias.h"

#include <gtest/gtest.h>

#include "kernels/bias.cuh"
#include "tests/support/block.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/groups.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

template <class T>
class BiasTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(BiasTest, Scalars);

struct Size {
  int64_t rows, columns;
};
const Size kSizes[] = {{1, 1},   {7, 3},   {128, 10}, {129, 16}, {5, 511},
                       {3, 512}, {3, 513}, {2, 1025}, {4097, 5}, {1003, 64}};

template <class T>
std::vector<double> meaning(const Size& size, const std::vector<T>& x, const std::vector<T>& b) {
  std::vector<double> y;
  for (int64_t i = 0; i < size.rows * size.columns; ++i) {
    y.push_back(double{x[i]} + double{b[i % size.columns]});
  }
  return y;
}

TYPED_TEST(BiasTest, AddsToEveryRow) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const int64_t n = size.rows * size.columns;
    const auto x = random_values<T>(n, 1), b = random_values<T>(size.columns, 2);
    const auto expected = meaning(size, x, b);
    for (const Stream& stream : streams({1, 2})) {
      Placed<T> from(stream, x), bias(stream, b, 1), to(stream, n);
      bias_forward(stream, size.rows, size.columns, from.data(), bias.data(), to.data());
      EXPECT_TRUE(all_close(to.span(), expected, 1))
          << size.rows << " x " << size.columns << ", " << name(stream);
      EXPECT_TRUE(from.intact() && bias.intact() && to.intact());
      // In place, and to the same bytes.
      bias_forward(stream, size.rows, size.columns, from.data(), bias.data(), from.data());
      EXPECT_TRUE(same_bytes(from.span(), to.span()));
      EXPECT_TRUE(from.intact());
    }
  }
}

TYPED_TEST(BiasTest, GroupsOfRowsHaveTheirOwn) {
  using T = TypeParam;
  for (const Size& each : {Size{1, 1}, Size{1, 10}, Size{16, 64}, Size{3, 513}, Size{129, 16}}) {
    for (const int64_t count : {1, 2, 3, 8}) {
      for (const int64_t gap : {int64_t{0}, 16 - each.columns % 16, int64_t{5}}) {
        const ParameterGroups groups{count, each.columns + gap};
        const int64_t part = each.rows * each.columns;
        const auto x = random_values<T>(count * part, 1),
                   b = random_values<T>(count * each.columns, 2);
        std::vector<double> expected;
        for (int64_t g = 0; g < count; ++g) {
          const auto one = meaning<T>(each, {x.begin() + g * part, x.begin() + (g + 1) * part},
                                      {b.begin() + g * each.columns, b.end()});
          expected.insert(expected.end(), one.begin(), one.end());
        }
        for (const Stream& stream : streams({1, 2})) {
          SCOPED_TRACE(testing::Message() << count << " of " << each.rows << " x " << each.columns
                                          << " by " << groups.stride << ", " << name(stream));
          const Placed<T> from(stream, x), bias(stream, spread(b, groups, each.columns));
          Placed<T> to(stream, count * part);
          bias_forward(stream, count * each.rows, each.columns, from.data(), bias.data(), to.data(),
                       groups);
          EXPECT_TRUE(all_close(to.span(), expected, 1));
          EXPECT_TRUE(from.intact() && bias.intact() && to.intact());
        }
      }
    }
  }
}

TYPED_TEST(BiasTest, TheBodyOfTheOtherBackendDoesTheSame) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const int64_t n = size.rows * size.columns;
    const auto x = random_values<T>(n, 1), b = random_values<T>(size.columns, 2);
    for (const Access access : {Access::Single, Access::Packed}) {
      if (access == Access::Packed && size.columns % kPackSize<T> != 0) continue;
      const Guarded<T> from(x), bias(b);
      Guarded<T> to(n);
      run_blocks<BiasBody<T>>(3, 1, n, size.columns, access, from.data(), bias.data(), to.data());
      EXPECT_TRUE(all_close(to.span(), meaning(size, x, b), 1));
      EXPECT_TRUE(to.intact());
    }
  }
}

}  // namespace
}  // namespace basin::test
