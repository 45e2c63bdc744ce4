// The matrix product against float64 loops: all transposes, sizes of 1, both write modes,
// on every device.
#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <thread>

#include "kernels/error.h"
#include "tests/support/gemm_case.h"

namespace basin {
namespace {

using test::Guarded;
using test::Placed;
using test::random_values;

template <class T>
class GemmTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(GemmTest, Scalars);

template <class T>
void expect_gemm(const GemmShape& s, const std::vector<Stream>& on, double rounding = 0) {
  const auto run = [&](const Stream& stream, const T* a, const T* b, T* c, Write mode) {
    const Gemm<T> gemm(stream, s);
    Placed<char> scratch(stream, gemm.scratch_bytes(), 64);  // aligned to 64 bytes, and to no more
    gemm.run(stream, a, b, c, mode, scratch.data());
    EXPECT_TRUE(scratch.intact());
  };
  test::expect_gemm<T>(s, on, run, rounding);
}

template <class Expect>
void for_each_transpose(int64_t m, int64_t n, int64_t k, const Expect& expect) {
  for (const Transpose a : {Transpose::No, Transpose::Yes}) {
    for (const Transpose b : {Transpose::No, Transpose::Yes}) expect(GemmShape{m, n, k, a, b});
  }
}

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
    for_each_transpose(m, n, k, [](const GemmShape& s) {
      expect_gemm<T>(s, test::streams({1, 2}));
    });
  }
}

// Of linear layers, a group of examples each: strides of whole arenas, shared operands, operands
// that lie on no vector, more products than threads and fewer.
TYPED_TEST(GemmTest, BatchesAgreeWithFloat64) {
  using T = TypeParam;
  const auto on = test::streams({1, 2, 5});
  for (const int64_t count : {1, 2, 3, 8}) {
    const int64_t m = count == 2 ? 1 : 3, out = 33, in = 40;
    const GemmShape forward{m, out, in, Transpose::No, Transpose::Yes};
    const GemmShape data{m, in, out}, filter{out, in, m, Transpose::Yes, Transpose::No};
    for (const int64_t stride : {out * in, int64_t{2048}, int64_t{1601}}) {
      test::expect_gemm_batch<T>(forward, {count, m * in, stride, m * out}, on);
      test::expect_gemm_batch<T>(data, {count, m * out, stride, m * in}, on);
      test::expect_gemm_batch<T>(filter, {count, m * out, m * in, stride}, on);
    }
    test::expect_gemm_batch<T>({33, 20, 65}, {count, 33 * 65, 0, 700}, on);
    test::expect_gemm_batch<T>({33, 20, 65}, {count, 0, 0, 660}, on);
  }
}

// Each factor is off by half of TF32's eps at most; float64 is not rounded.
TYPED_TEST(GemmTest, RoundsToTf32AtMostWhereTheStreamAllowsIt) {
  using T = TypeParam;
  std::vector<Stream> on = {Stream::cpu(2)};
  for (int k = 0; k < test::kCudaRuns && cuda_device_count() > 0; ++k) {
    on.push_back(Stream::cuda(0, Tf32::Yes));
  }
  const double rounding = std::is_same_v<T, float> ? std::ldexp(1.0, -11) : 0;
  for_each_transpose(37, 65, 129, [&](const GemmShape& s) { expect_gemm<T>(s, on, rounding); });
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
  for (const Stream& stream : test::streams({1})) {
    try {
      const Gemm<float> gemm(stream, {4, 0, 3});
      FAIL() << "expected an error";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Usage);
      EXPECT_STREQ(e.what(),
                   "[gemm] shape: found gemm [4, 0] = [4, 3] [3, 0], expected sizes of 1 or more");
    }
  }
}

TEST(GemmErrors, BatchesThatAreNoneAreNamed) {
  const auto line = [](const GemmBatch& batch) -> std::string {
    try {
      const Gemm<float> gemm(Stream::cpu(1), {4, 2, 3}, batch);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Usage);
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(line({0, 0, 0, 8}),
            "[gemm] batch: found 0 products with strides 0 and 0, expected 1 or more, and strides "
            "of 0 or more");
  EXPECT_EQ(line({2, 0, 0, 7}),
            "[gemm] batch: found results 7 elements apart, expected at least the 8 of one");
  EXPECT_EQ(line({2, 0, 0, 8}), "");
}

TEST(GemmCost, CountsEachOperandOnce) {
  const Cost cost = gemm_cost<float>({2, 3, 5});
  EXPECT_EQ(cost.bytes_read, 4 * (2 * 5 + 5 * 3));
  EXPECT_EQ(cost.bytes_written, 4 * 2 * 3);
  EXPECT_EQ(cost.flops, 2 * 2 * 3 * 5);
  const Cost batch = gemm_cost<float>({2, 3, 5}, {7, 10, 0, 6});
  EXPECT_EQ(batch.bytes_read, 4 * (7 * 2 * 5 + 5 * 3));  // b is shared
  EXPECT_EQ(batch.bytes_written, 7 * cost.bytes_written);
  EXPECT_EQ(batch.flops, 7 * cost.flops);
}

}  // namespace
}  // namespace basin
