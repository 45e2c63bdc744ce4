// The matrix product against float64 loops: all transposes, sizes of 1, both write modes.
#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "kernels/error.h"
#include "tests/support/gemm_case.h"

namespace basin {
namespace {

using test::Guarded;
using test::random_values;

template <class T>
class GemmTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(GemmTest, Scalars);

TYPED_TEST(GemmTest, AgreesWithFloat64) {
  using T = TypeParam;
  for (const auto [m, n, k] : {std::array<int64_t, 3>{1, 1, 1},
                               {1, 10, 64},
                               {17, 1, 33},
                               {5, 7, 1},
                               {128, 10, 64},
                               {33, 65, 127},
                               {10, 64, 128},
                               {64, 100, 784},
                               {3, 1, 1},
                               {1, 1, 300}}) {
    for (const Transpose ta : {Transpose::No, Transpose::Yes}) {
      for (const Transpose tb : {Transpose::No, Transpose::Yes}) {
        const GemmShape s = {m, n, k, ta, tb};
        test::expect_gemm<T>(
            s, [&](const Stream& stream, const T* x, const T* y, T* c, Write mode) {
              const Gemm<T> gemm(stream, s);
              Guarded<float> scratch(ceil_div<int64_t>(gemm.scratch_bytes(), sizeof(float)));
              gemm.run(stream, x, y, c, mode, scratch.data());
              EXPECT_TRUE(scratch.intact());
            });
      }
    }
  }
}

// Streams of one thread each, from several threads at once.
TYPED_TEST(GemmTest, RunsConcurrently) {
  using T = TypeParam;
  const GemmShape s = {65, 33, 100, Transpose::No, Transpose::Yes};
  const auto a = random_values<T>(s.m * s.k, 1), b = random_values<T>(s.k * s.n, 2);
  const auto product = [&] {
    const Stream stream = Stream::cpu(1);
    const Gemm<T> gemm(stream, s);
    Guarded<char> scratch(gemm.scratch_bytes());
    std::vector<T> c(s.m * s.n);
    for (int i = 0; i < 20; ++i) {
      gemm.run(stream, a.data(), b.data(), c.data(), Write::Overwrite, scratch.data());
    }
    return c;
  };
  const std::vector<T> expected = product();
  std::vector<T> found[3];
  std::vector<std::thread> threads;
  for (auto& f : found) threads.emplace_back([&f, &product] { f = product(); });
  for (auto& t : threads) t.join();
  for (const auto& f : found) EXPECT_TRUE(test::same_bytes(f, expected));
}

TEST(GemmErrors, ASizeOfZeroIsNamed) {
  try {
    const Gemm<float> gemm(Stream::cpu(1), {4, 0, 3});
    FAIL() << "expected an error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Usage);
    EXPECT_STREQ(e.what(),
                 "[gemm] shape: found gemm [4, 0] = [4, 3] [3, 0], expected sizes of 1 or more");
  }
}

TEST(GemmCost, CountsEachOperandOnce) {
  const Cost cost = gemm_cost<float>({2, 3, 5});
  EXPECT_EQ(cost.bytes_read, 4 * (2 * 5 + 5 * 3));
  EXPECT_EQ(cost.bytes_written, 4 * 2 * 3);
  EXPECT_EQ(cost.flops, 2 * 2 * 3 * 5);
}

}  // namespace
}  // namespace basin
