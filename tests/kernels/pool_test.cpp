// Average pooling against float64 loops: windows that meet, overlap or leave a rest; channels that
// fill 16 bytes and that do not; and the CUDA bodies with blocks of host threads.
#include "kernels/pool.h"

#include <gtest/gtest.h>

#include "kernels/pool.cuh"
#include "tests/support/block.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
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
    SameOnEachDevice<T> same;
    for (const Stream& stream : streams({1, 2, 2})) {
      for (const int64_t offset : {0, 1}) {
        const Placed<T> from(stream, x, offset);
        Placed<T> y(stream, static_cast<int64_t>(expected.size()), offset);
        average_pool_forward(stream, s, from.data(), y.data());
        EXPECT_TRUE(all_close(y.span(), expected, window + 2, 1.0)) << text(s) << name(stream);
        EXPECT_TRUE(y.intact() && from.intact());
        EXPECT_TRUE(same(stream, y.values())) << text(s);
      }
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
      SameOnEachDevice<T> same;
      for (const Stream& stream : streams({1, 2, 2})) {
        for (const int64_t offset : {0, 1}) {
          const Placed<T> from(stream, dy, offset);
          Placed<T> dx = mode == Write::Accumulate ? Placed<T>(stream, before, offset)
                                                   : Placed<T>(stream, n, offset);
          average_pool_backward(stream, s, from.data(), dx.data(), mode);
          EXPECT_TRUE(all_close(dx.span(), expected, window + 3, 4.0)) << text(s) << name(stream);
          EXPECT_TRUE(dx.intact() && from.intact());
          EXPECT_TRUE(same(stream, dx.values())) << text(s);
        }
      }
    }
  }
}

struct Global {
  int64_t n, positions, c;
};
const Global kGlobals[] = {{1, 1, 1},    {3, 5, 7},     {2, 64, 33},
                           {17, 16, 64}, {150, 64, 65}, {2, 7, 256}};

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
    SameOnEachDevice<Wide<T>> same;
    SameOnEachDevice<T> same_spread, same_more;
    for (const Stream& stream : streams({1, 2})) {
      for (const int64_t offset : {0, 1}) {
        const Placed<T> from(stream, x, offset);
        const Placed<Wide<T>> gradient(stream, dy, offset);
        Placed<Wide<T>> y(stream, s.n * s.c, offset);
        Placed<T> dx(stream, static_cast<int64_t>(x.size()), offset), sum(stream, before, offset);
        global_pool_forward<T>(stream, s.n, s.positions, s.c, from.data(), y.data());
        global_pool_backward<T>(stream, s.n, s.positions, s.c, gradient.data(), dx.data(),
                                Write::Overwrite);
        global_pool_backward<T>(stream, s.n, s.positions, s.c, gradient.data(), sum.data(),
                                Write::Accumulate);
        EXPECT_TRUE(all_close(y.span(), mean, positions + 2, 1.0)) << name(stream);
        EXPECT_TRUE(all_close(dx.span(), spread, 3)) << name(stream);
        EXPECT_TRUE(all_close(sum.span(), more, 4, 1.0)) << name(stream);
        EXPECT_TRUE(y.intact() && dx.intact() && sum.intact() && from.intact());
        EXPECT_TRUE(same(stream, y.values()));
        EXPECT_TRUE(same_spread(stream, dx.values()) && same_more(stream, sum.values()));
      }
    }
  }
}

TYPED_TEST(PoolTest, Global) {
  expect_global_pool<TypeParam>();
}
TEST(GlobalPoolBfloat16, AgreesWithPlainLoops) {
  expect_global_pool<bfloat16>();
}

// The bodies, with blocks of `threads` threads, against the CPU's kernels.
template <int kWidth, class T>
void expect_average_bodies(const PoolShape& s, int threads) {
  const Stream cpu = Stream::cpu(1);
  const int64_t size = s.n * s.h * s.w * s.c, out = s.n * s.h_out() * s.w_out() * s.c;
  const Guarded<T> x(random_values<T>(size, 1)), dy(random_values<T>(out, 2));
  Guarded<T> y(out), y_cpu(out), dx(random_values<T>(size, 3)), dx_cpu(dx.values());
  average_pool_forward(cpu, s, x.data(), y_cpu.data());
  average_pool_backward(cpu, s, dy.data(), dx_cpu.data(), Write::Accumulate);
  run_blocks<AveragePoolForward<kWidth, T>>(2, threads, s, x.data(), y.data());
  run_blocks<AveragePoolBackward<kWidth, T>>(2, threads, s, dy.data(), dx.data(),
                                             Write::Accumulate);
  const auto terms = static_cast<double>(s.window * s.window + 2);
  const auto y64 = y_cpu.values(), dx64 = dx_cpu.values();
  EXPECT_TRUE(all_close(y.span(), {y64.begin(), y64.end()}, terms, 1.0)) << text(s);
  EXPECT_TRUE(all_close(dx.span(), {dx64.begin(), dx64.end()}, terms, 4.0)) << text(s);
  EXPECT_TRUE(y.intact() && dx.intact());
}

template <int kWidth, class T>
void expect_global_bodies(int64_t n, int64_t positions, int64_t c, int threads) {
  const Stream cpu = Stream::cpu(1);
  const int64_t size = n * positions * c;
  const Guarded<T> x(random_values<T>(size, 1));
  const Guarded<Wide<T>> dy(random_values<Wide<T>>(n * c, 2));
  Guarded<Wide<T>> y(n * c), y_cpu(n * c);
  Guarded<T> dx(random_values<T>(size, 3)), dx_cpu(dx.values());
  global_pool_forward<T>(cpu, n, positions, c, x.data(), y_cpu.data());
  global_pool_backward<T>(cpu, n, positions, c, dy.data(), dx_cpu.data(), Write::Accumulate);
  run_blocks<GlobalPoolForward<kWidth, T>>(2, threads, n, positions, c, x.data(), y.data());
  run_blocks<GlobalPoolBackward<kWidth, T>>(2, threads, n, positions, c, dy.data(), dx.data(),
                                            Write::Accumulate);
  const auto y64 = y_cpu.values();
  const auto dx64 = dx_cpu.values();
  EXPECT_TRUE(all_close(y.span(), {y64.begin(), y64.end()}, 2.0 * (positions + 2), 1.0));
  EXPECT_TRUE(all_close(dx.span(), {dx64.begin(), dx64.end()}, 4, 1.0));
  EXPECT_TRUE(y.intact() && dx.intact());
}

TYPED_TEST(PoolTest, TheBodiesOfTheOtherBackendDoTheSame) {
  using T = TypeParam;
  for (const int threads : {1, 16, 64}) {
    expect_average_bodies<1, T>({2, 5, 7, 3, 3, 2}, threads);
    expect_average_bodies<kPackSize<T>, T>({1, 6, 4, 12, 2, 2}, threads);
    expect_global_bodies<1, T>(3, 5, 35, threads);
    expect_global_bodies<kPackSize<T>, T>(2, 9, 136, threads);
    expect_global_bodies<kPackSize<bfloat16>, bfloat16>(2, 9, 264, threads);
  }
}

}  // namespace
}  // namespace basin::test
