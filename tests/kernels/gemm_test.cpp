// The matrix product against float64 loops: all transposes, sizes of 1, both write modes.
#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <thread>

#include "kernels/error.h"
#include "kernels/reference.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin {
namespace {

using test::Guarded;
using test::random_values;

template <class T>
std::vector<double> magnitudes(const std::vector<T>& v) {
  std::vector<double> result(v.begin(), v.end());
  for (double& e : result) e = std::abs(e);
  return result;
}

template <class T>
class GemmTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(GemmTest, Scalars);

// The sum of k products, in any order, is off by at most k eps times the sum of their magnitudes.
TYPED_TEST(GemmTest, AgreesWithFloat64) {
  using T = TypeParam;
  const Stream one = Stream::cpu(1);
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
        const auto a = random_values<T>(m * k, 1), b = random_values<T>(k * n, 2);
        const std::vector<double> a64(a.begin(), a.end()), b64(b.begin(), b.end());
        std::vector<double> expected(m * n), size(m * n);
        reference::gemm(one, s, a64.data(), b64.data(), expected.data(), Write::Overwrite);
        reference::gemm(one, s, magnitudes(a).data(), magnitudes(b).data(), size.data(),
                        Write::Overwrite);
        for (const int threads : {1, 2}) {
          SCOPED_TRACE(to_string(s) + ", threads " + std::to_string(threads));
          const Stream stream = Stream::cpu(threads);
          const Gemm<T> gemm(stream, s);
          const Guarded<T> a_in(a), b_in(b);
          Guarded<T> c(m * n), again(m * n);
          Guarded<float> scratch(ceil_div<int64_t>(gemm.scratch_bytes(), sizeof(float)));
          for (const int times : {1, 2}) {
            const Write mode = times == 1 ? Write::Overwrite : Write::Accumulate;
            gemm.run(stream, a_in.data(), b_in.data(), c.data(), mode, scratch.data());
            gemm.run(stream, a_in.data(), b_in.data(), again.data(), mode, scratch.data());
            EXPECT_TRUE(test::same_bytes(c.span(), again.span()));
            for (int64_t i = 0; i < m * n; ++i) {
              ASSERT_TRUE(test::within(c[i], times * expected[i],
                                       (k + 2) * times * test::eps_of<T>() * size[i]))
                  << i << ": " << c[i] << " " << times * expected[i];
            }
          }
          EXPECT_TRUE(c.intact() && scratch.intact() && a_in.intact() && b_in.intact());
        }
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
