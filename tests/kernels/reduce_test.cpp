// The reductions against plain float64 loops: any size, any thread count to the same bytes, NaN and
// infinity to the result; and their CUDA bodies with blocks of host threads.
#include "kernels/reduce.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/reduce.cuh"
#include "tests/support/block.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/groups.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

template <class T>
class ReduceTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ReduceTest, Scalars);

// The result of `reduction` (squared_norm or sum), with its buffers watched.
template <class T, class Reduction>
double run(const Reduction& reduction, const Stream& stream, const std::vector<T>& x,
           int64_t offset = 1) {
  const int64_t n = static_cast<int64_t>(x.size());
  const Placed<T> from(stream, x, offset);
  Placed<double> partials(stream, reduce_partials(n)), result(stream, 1);
  reduction(stream, n, from.data(), partials.data(), result.data());
  EXPECT_TRUE(from.intact() && partials.intact() && result.intact()) << n;
  return result[0];
}

template <class T>
double run_squared_norm(const Stream& stream, const std::vector<T>& x, int64_t offset = 1) {
  return run(squared_norm<T>, stream, x, offset);
}
template <class T>
double run_sum(const Stream& stream, const std::vector<T>& x) {
  return run(sum<T>, stream, x);
}

// Accumulation is in float64 whatever T is; each addition of n rounds once.
double tolerance(int64_t n, double magnitude) {
  return static_cast<double>(n) * eps_of<double>() * magnitude;
}

TYPED_TEST(ReduceTest, SumAndSquaredNorm) {
  using T = TypeParam;
  std::vector<int64_t> sizes = kOddSizes;
  sizes.insert(sizes.end(), {0, 3 * kReduceBlock, 200'003});
  for (const int64_t n : sizes) {
    const auto x = random_values<T>(n, 1);
    double squares = 0, total = 0, magnitude = 0;
    for (const T v : x) {
      squares += double{v} * double{v};
      total += v;
      magnitude += std::abs(v);
    }
    SameOnEachDevice<double> same;
    for (const Stream& stream : streams({1, 2, 3})) {
      const double found = run_squared_norm(stream, x), sum = run_sum(stream, x);
      EXPECT_TRUE(within(found, squares, tolerance(n, squares))) << n << ", " << name(stream);
      EXPECT_TRUE(within(sum, total, tolerance(n, magnitude))) << n << ", " << name(stream);
      EXPECT_TRUE(same(stream, {found, sum})) << n;
      // The order of additions does not depend on the alignment.
      EXPECT_EQ(run_squared_norm(stream, x, 0), found) << n << ", " << name(stream);
    }
  }
}

TYPED_TEST(ReduceTest, SquaredNormsOfGroups) {
  using T = TypeParam;
  for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{1003}, 2 * kReduceBlock + 35}) {
    for (const ParameterGroups groups :
         {ParameterGroups{1, 0}, {2, n}, {3, n + 1}, {8, round_up<int64_t>(n, 16) + 16}}) {
      const auto x = random_values<T>(groups.count * n, 1);
      for (const Stream& stream : streams({1, 2, 3})) {
        SCOPED_TRACE(testing::Message() << groups.count << " of " << n << ", " << name(stream));
        const Placed<T> from(stream, spread(x, groups, n), 1);
        Placed<double> partials(stream, groups.count * reduce_partials(n));
        Placed<double> results(stream, groups.count);
        squared_norms(stream, groups, n, from.data(), partials.data(), results.data());
        EXPECT_TRUE(from.intact() && partials.intact() && results.intact());
        std::vector<double> expected;
        for (int64_t g = 0; g < groups.count; ++g) {
          expected.push_back(run_squared_norm(stream, group_of<T>(from.span(), groups, n, g)));
        }
        EXPECT_TRUE(same_bytes(results.values(), expected));
      }
    }
  }
}

// A group that is not finite, or is zero, is no other's.
TYPED_TEST(ReduceTest, SquaredNormsKeepToTheirGroups) {
  using T = TypeParam;
  const ParameterGroups groups{4, 5008};
  const int64_t n = 5001;
  auto x = random_values<T>(groups.count * n, 2);
  std::fill_n(x.begin(), n, T(0));
  x[n + 4500] = poison<T>();
  x[2 * n] = std::numeric_limits<T>::infinity();
  for (const Stream& stream : streams({2})) {
    const Placed<T> from(stream, spread(x, groups, n));
    Placed<double> partials(stream, groups.count * reduce_partials(n)), results(stream, 4);
    squared_norms(stream, groups, n, from.data(), partials.data(), results.data());
    EXPECT_EQ(results[0], 0);
    EXPECT_TRUE(std::isnan(results[1]) && std::isinf(results[2]) && std::isfinite(results[3]));
  }
}

TYPED_TEST(ReduceTest, NanAndInfinityReachTheResult) {
  using T = TypeParam;
  for (const int64_t at : {0, 4095, 4096, 5000}) {
    auto x = random_values<T>(5001, 2);
    for (const Stream& stream : streams({2})) {
      x[at] = poison<T>();
      EXPECT_TRUE(std::isnan(run_squared_norm(stream, x)));
      EXPECT_TRUE(std::isnan(run_sum(stream, x)));
      x[at] = std::numeric_limits<T>::infinity();
      EXPECT_TRUE(std::isinf(run_squared_norm(stream, x)));
      EXPECT_TRUE(std::isinf(run_sum(stream, x)));
    }
  }
}

TEST(Reduce, SquaresOfFloatsDoNotOverflow) {
  for (const Stream& stream : streams({1})) {
    EXPECT_DOUBLE_EQ(run_squared_norm<float>(stream, {3e38f}), double{3e38f} * double{3e38f});
  }
}

struct Size {
  int64_t rows, columns;
};
const Size kSizes[] = {{0, 3},     {1, 1},     {7, 3},    {128, 10}, {129, 33},
                       {300, 257}, {1000, 16}, {64, 600}, {2049, 48}};

// Sums of the columns in float64, added to `before` where given.
template <class T>
std::vector<double> column_meaning(const Size& size, const std::vector<T>& x,
                                   const std::vector<T>& before) {
  std::vector<double> sums(size.columns, 0.0);
  for (int64_t i = 0; i < size.rows * size.columns; ++i) sums[i % size.columns] += x[i];
  for (size_t c = 0; c < before.size(); ++c) sums[c] += before[c];
  return sums;
}

TYPED_TEST(ReduceTest, ColumnSum) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const auto x = random_values<T>(size.rows * size.columns, 1);
    const auto before = random_values<T>(size.columns, 2);
    for (const Write mode : {Write::Overwrite, Write::Accumulate}) {
      const auto expected =
          column_meaning(size, x, mode == Write::Accumulate ? before : std::vector<T>{});
      SameOnEachDevice<T> same;
      for (const Stream& stream : streams({1, 2, 3})) {
        const Placed<T> from(stream, x, 1);
        Placed<T> partials(stream, column_sum_partials(size.rows, size.columns));
        Placed<T> sums =
            mode == Write::Accumulate ? Placed<T>(stream, before) : Placed<T>(stream, size.columns);
        column_sum(stream, size.rows, size.columns, from.data(), partials.data(), sums.data(),
                   mode);
        // A block's rows round one after the other; terms are of size 1, sums of sqrt(rows).
        EXPECT_TRUE(all_close(sums.span(), expected, kColumnRows,
                              std::sqrt(static_cast<double>(size.rows) + 1)))
            << size.rows << " x " << size.columns << ", " << name(stream);
        EXPECT_TRUE(from.intact() && partials.intact() && sums.intact());
        EXPECT_TRUE(same(stream, sums.values()));
      }
    }
  }
}

TYPED_TEST(ReduceTest, ColumnSumsOfGroups) {
  using T = TypeParam;
  for (const Size& each : {Size{1, 10}, Size{16, 64}, Size{129, 33}, Size{300, 257}}) {
    for (const ParameterGroups groups : {ParameterGroups{1, 0},
                                         {2, each.columns},
                                         {3, each.columns + 5},
                                         {8, round_up<int64_t>(each.columns, 16) + 16}}) {
      const int64_t part = each.rows * each.columns, columns = each.columns;
      const auto x = random_values<T>(groups.count * part, 1);
      const auto before = random_values<T>(groups.count * columns, 2);
      for (const Write mode : {Write::Overwrite, Write::Accumulate}) {
        SameOnEachDevice<T> same;
        for (const Stream& stream : streams({1, 2, 3})) {
          SCOPED_TRACE(testing::Message() << groups.count << " of " << each.rows << " x " << columns
                                          << " by " << groups.stride << ", " << name(stream));
          const bool adds = mode == Write::Accumulate;
          const Placed<T> from(stream, x, 1);
          Placed<T> partials(stream,
                             column_sum_partials(groups.count * each.rows, columns, groups.count));
          Placed<T> sums = adds ? Placed<T>(stream, spread(before, groups, columns))
                                : Placed<T>(stream, extent_of(groups, columns));
          column_sum(stream, groups.count * each.rows, columns, from.data(), partials.data(),
                     sums.data(), mode, groups);
          const auto found = sums.values();
          for (int64_t g = 0; g < groups.count; ++g) {
            const std::vector<T> rows(x.begin() + g * part, x.begin() + (g + 1) * part);
            const std::vector<T> held(before.begin() + g * columns,
                                      before.begin() + (adds ? g + 1 : g) * columns);
            EXPECT_TRUE(all_close(group_of<T>(found, groups, columns, g),
                                  column_meaning(each, rows, held), kColumnRows,
                                  std::sqrt(static_cast<double>(each.rows) + 1)));
          }
          EXPECT_TRUE(from.intact() && partials.intact() && sums.intact());
          EXPECT_TRUE(gaps_intact<T>(found, groups, columns));
          EXPECT_TRUE(same(stream, gathered<T>(found, groups, columns)));
        }
      }
    }
  }
}

TYPED_TEST(ReduceTest, SumParts) {
  using T = TypeParam;
  const double decay = 0.25;
  for (const int64_t n : {int64_t{1}, int64_t{33}, int64_t{2049}, int64_t{40'001}}) {
    for (const int count : {1, 2, 3, 17, 35}) {
      std::vector<std::vector<T>> values;
      for (int k = 0; k < count; ++k) values.push_back(random_values<T>(n, 10 + k));
      const auto w = random_values<T>(n, 9);
      for (const bool decayed : {false, true}) {
        std::vector<double> expected(n, 0.0);
        for (int64_t i = 0; i < n; ++i) {
          for (const auto& part : values) expected[i] += part[i];
          if (decayed) expected[i] += decay * w[i];
        }
        SameOnEachDevice<T> same;
        for (const Stream& stream : streams({1, 2})) {
          std::vector<Placed<T>> parts;
          std::vector<const T*> pointers;
          for (const auto& v : values) parts.emplace_back(stream, v);
          for (const auto& p : parts) pointers.push_back(p.data());
          const Placed<T> weights(stream, w);
          Placed<T> out(stream, n);
          const T* decay_of = decayed ? weights.data() : nullptr;
          sum_parts(stream, n, pointers.data(), count, decay, decay_of, out.data());
          EXPECT_TRUE(all_close(out.span(), expected, count + 2, std::sqrt(count + 1.0)))
              << n << ", " << count << ", " << name(stream);
          sum_parts(stream, n, pointers.data(), count, decay, decay_of, parts[0].data());
          EXPECT_TRUE(same_bytes(parts[0].span(), out.span())) << "in place";
          EXPECT_TRUE(out.intact() && parts[0].intact() && weights.intact());
          EXPECT_TRUE(same(stream, out.values()));
        }
      }
    }
  }
}

TYPED_TEST(ReduceTest, TheBodiesOfTheOtherBackendDoTheSame) {
  using T = TypeParam;
  for (const int64_t n : {int64_t{1}, int64_t{4097}, 2 * kReduceBlock + 35}) {
    const auto x = random_values<T>(n, 1);
    double squares = 0;
    for (const T v : x) squares += double{v} * double{v};
    double first = -1;
    for (const int threads : {1, 16, 64}) {
      for (const int64_t offset : {0, 1}) {
        const Guarded<T> from(x, offset);
        Guarded<double> partials(reduce_partials(n)), result(1);
        run_blocks<ReduceBlocks<SquareTerm, T>>(2, threads, ParameterGroups{}, n, from.data(),
                                                partials.data());
        run_blocks<JoinPartials>(1, threads, int64_t{1}, reduce_partials(n), partials.data(),
                                 result.data());
        EXPECT_TRUE(within(result[0], squares, tolerance(n, squares))) << n << ", " << threads;
        EXPECT_TRUE(partials.intact() && result.intact());
        // The order of additions does not depend on the alignment.
        if (offset == 0) first = result[0];
        EXPECT_EQ(result[0], first);
      }
    }
  }
}

TYPED_TEST(ReduceTest, TheColumnBodiesOfTheOtherBackendDoTheSame) {
  using T = TypeParam;
  for (const Size& size : {Size{7, 3}, Size{129, 33}, Size{300, 70}}) {
    const auto x = random_values<T>(size.rows * size.columns, 1);
    const auto before = random_values<T>(size.columns, 2);
    for (const int threads : {1, 16, 64}) {
      const Guarded<T> from(x);
      Guarded<T> partials(column_sum_partials(size.rows, size.columns)), sums(before);
      run_blocks<ColumnBlocks<T>>(3, threads, int64_t{1}, size.rows, size.columns, from.data(),
                                  partials.data());
      run_blocks<ColumnJoin<T>>(2, threads, ParameterGroups{}, ceil_div(size.rows, kColumnRows),
                                size.columns, partials.data(), sums.data(), Write::Accumulate);
      EXPECT_TRUE(all_close(sums.span(), column_meaning(size, x, before), kColumnRows,
                            std::sqrt(static_cast<double>(size.rows))))
          << size.rows << " x " << size.columns << ", " << threads << " threads";
      EXPECT_TRUE(partials.intact() && sums.intact());
    }
  }
}

TYPED_TEST(ReduceTest, TheBodyOfSumPartsDoesTheSame) {
  using T = TypeParam;
  const int64_t n = 1003;
  const auto a = random_values<T>(n, 1), b = random_values<T>(n, 2), w = random_values<T>(n, 3);
  std::vector<double> expected;
  for (int64_t i = 0; i < n; ++i) expected.push_back(double{a[i]} + b[i] + 0.5 * w[i]);
  for (const Access access : {Access::Packed, Access::Single}) {
    const int64_t offset = access == Access::Packed ? 0 : 1;
    const Guarded<T> first(a, offset), second(b), weights(w);
    Guarded<T> out(n);
    using Body = SumPartsBody<T>;
    const Arrays<const T, Body::kMost> parts{{first.data(), second.data()}};
    run_blocks<Body>(2, 1, n, parts, 2, access, T(0.5), weights.data(), out.data());
    EXPECT_TRUE(all_close(out.span(), expected, 4, 2.0));
    EXPECT_TRUE(out.intact());
  }
}

}  // namespace
}  // namespace basin::test
