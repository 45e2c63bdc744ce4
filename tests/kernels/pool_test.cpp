// Average pooling against float64 loops: windows that meet, overlap or leave a rest.
#include "kernels/pool.h"

#include <gtest/gtest.h>

#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

template <class T>
class PoolTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(PoolTest, Scalars);

const PoolShape kShapes[] = {{1, 1, 1, 1, 1, 1},  {2, 4, 4, 3, 2, 2},   {1, 5, 7, 17, 2, 2},
                             {3, 6, 5, 8, 3, 2},  {2, 5, 5, 33, 3, 1},  {1, 9, 4, 1, 2, 3},
                             {9, 8, 8, 64, 2, 2}, {40, 8, 8, 65, 8, 8}, {64, 16, 16, 9, 3, 2}};

std::string text(const PoolShape& s) {
  return testing::PrintToString(std::vector<int64_t>{s.n, s.h, s.w, s.c, s.window, s.stride});
}

// visit(index in y, index in x) for every pair that a window connects.
template <class Visit>
void for_each_pair(const PoolShape& s, const Visit& visit) {
  for (int64_t i = 0; i < s.n; ++i) {
    for (int64_t r = 0; r < s.h_out(); ++r) {
      for (int64_t q = 0; q < s.w_out(); ++q) {
        for (int64_t a = r * s.stride; a < r * s.stride + s.window; ++a) {
          for (int64_t b = q * s.stride; b < q * s.stride + s.window; ++b) {
            for (int64_t c = 0; c < s.c; ++c) {
              visit(((i * s.h_out() + r) * s.w_out() + q) * s.c + c,
                    ((i * s.h + a) * s.w + b) * s.c + c);
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(PoolTest, Forward) {
  using T = TypeParam;
  for (const PoolShape& s : kShapes) {
    const auto x = random_values<T>(s.n * s.h * s.w * s.c, 1);
    std::vector<double> expected(s.n * s.h_out() * s.w_out() * s.c, 0.0);
    const double window = static_cast<double>(s.window * s.window);
    for_each_pair(s, [&](int64_t y, int64_t at) { expected[y] += x[at] / window; });
    std::vector<T> first;
    for (const int threads : {1, 2, 2}) {
      const Guarded<T> from(x, 1);
      Guarded<T> y(static_cast<int64_t>(expected.size()), 1);
      average_pool_forward(Stream::cpu(threads), s, from.data(), y.data());
      EXPECT_TRUE(all_close(y.span(), expected, window + 2, 1.0)) << text(s);
      EXPECT_TRUE(y.intact() && from.intact());
      if (first.empty()) first = y.values();
      EXPECT_TRUE(same_bytes(y.values(), first)) << threads << " threads";
    }
  }
}

TYPED_TEST(PoolTest, Backward) {
  using T = TypeParam;
  for (const PoolShape& s : kShapes) {
    const int64_t n = s.n * s.h * s.w * s.c;
    const auto dy = random_values<T>(s.n * s.h_out() * s.w_out() * s.c, 1);
    const auto before = random_values<T>(n, 2);
    for (const Write mode : {Write::Overwrite, Write::Accumulate}) {
      std::vector<double> expected(n, 0.0);
      const double window = static_cast<double>(s.window * s.window);
      for_each_pair(s, [&](int64_t y, int64_t at) { expected[at] += dy[y] / window; });
      if (mode == Write::Accumulate) {
        for (int64_t i = 0; i < n; ++i) expected[i] += before[i];
      }
      std::vector<T> first;
      for (const int threads : {1, 2, 2}) {
        const Guarded<T> from(dy, 1);
        Guarded<T> dx = mode == Write::Accumulate ? Guarded<T>(before, 1) : Guarded<T>(n, 1);
        average_pool_backward(Stream::cpu(threads), s, from.data(), dx.data(), mode);
        EXPECT_TRUE(all_close(dx.span(), expected, window + 3, 4.0)) << text(s);
        EXPECT_TRUE(dx.intact() && from.intact());
        if (first.empty()) first = dx.values();
        EXPECT_TRUE(same_bytes(dx.values(), first)) << threads << " threads";
      }
    }
  }
}

struct Global {
  int64_t n, positions, c;
};
const Global kGlobals[] = {{1, 1, 1}, {3, 5, 7}, {2, 64, 33}, {17, 16, 64}, {150, 64, 65}};

template <class T>
void expect_global_pool() {
  for (const auto& s : kGlobals) {
    const auto x = random_values<T>(s.n * s.positions * s.c, 1);
    const auto dy = random_values<Wide<T>>(s.n * s.c, 2);
    const auto before = random_values<T>(s.n * s.positions * s.c, 3);
    const auto positions = static_cast<double>(s.positions);
    std::vector<double> mean(s.n * s.c, 0.0), spread(x.size()), more(x.size());
    for (int64_t i = 0; i < s.n; ++i) {
      for (int64_t p = 0; p < s.positions; ++p) {
        for (int64_t c = 0; c < s.c; ++c) {
          const int64_t at = (i * s.positions + p) * s.c + c;
          mean[i * s.c + c] += x[at] / positions;
          spread[at] = dy[i * s.c + c] / positions;
          more[at] = spread[at] + before[at];
        }
      }
    }
    std::vector<Wide<T>> first;
    for (const int threads : {1, 2}) {
      const Stream stream = Stream::cpu(threads);
      const Guarded<T> from(x, 1);
      const Guarded<Wide<T>> gradient(dy, 1);
      Guarded<Wide<T>> y(s.n * s.c, 1);
      Guarded<T> dx(static_cast<int64_t>(x.size()), 1), sum(before, 1);
      global_pool_forward<T>(stream, s.n, s.positions, s.c, from.data(), y.data());
      global_pool_backward<T>(stream, s.n, s.positions, s.c, gradient.data(), dx.data(),
                              Write::Overwrite);
      global_pool_backward<T>(stream, s.n, s.positions, s.c, gradient.data(), sum.data(),
                              Write::Accumulate);
      EXPECT_TRUE(all_close(y.span(), mean, positions + 2, 1.0));
      EXPECT_TRUE(all_close(dx.span(), spread, 3));
      EXPECT_TRUE(all_close(sum.span(), more, 4, 1.0));
      EXPECT_TRUE(y.intact() && dx.intact() && sum.intact());
      if (first.empty()) first = y.values();
      EXPECT_TRUE(same_bytes(y.values(), first)) << threads << " threads";
    }
  }
}

TYPED_TEST(PoolTest, Global) {
  expect_global_pool<TypeParam>();
}
TEST(GlobalPoolBfloat16, AgreesWithPlainLoops) {
  expect_global_pool<bfloat16>();
}

}  // namespace
}  // namespace basin::test
