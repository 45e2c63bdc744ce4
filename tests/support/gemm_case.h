// A matrix product checked against float64: both write modes, poisoned and guarded results, equal
// bytes of two runs and of the streams of a device.
#pragma once

#include <string>

#include "kernels/reference.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/groups.h"
#include "tests/support/poison.h"

namespace basin::test {

template <class T>
std::vector<double> magnitudes(const std::vector<T>& v) {
  std::vector<double> result(v.begin(), v.end());
  for (double& e : result) e = std::abs(e);
  return result;
}

// run(stream, a, b, c, mode), on each of `on`. The sum of k products, in any order, is off by at
// most k eps times the sum of their magnitudes, and by twice `rounding` where the factors are
// rounded so coarsely.
template <class T, class Run>
void expect_gemm(const GemmShape& s, const std::vector<Stream>& on, const Run& run,
                 double rounding = 0) {
  const int64_t m = s.m, n = s.n, k = s.k;
  const auto a = random_values<T>(m * k, 1), b = random_values<T>(k * n, 2);
  const std::vector<double> a64(a.begin(), a.end()), b64(b.begin(), b.end());
  std::vector<double> expected(m * n), size(m * n);
  const Stream one = Stream::cpu(1);
  reference::gemm(one, s, a64.data(), b64.data(), expected.data(), Write::Overwrite);
  reference::gemm(one, s, magnitudes(a).data(), magnitudes(b).data(), size.data(),
                  Write::Overwrite);
  const double relative = static_cast<double>(k + 2) * eps_of<T>() + 2 * rounding;
  SameOnEachDevice<T> same;
  for (const Stream& stream : on) {
    SCOPED_TRACE(to_string(s) + ", " + name(stream));
    constexpr int64_t kOffset = 64 / sizeof(T);  // aligned to 64 bytes, and to no more
    const Placed<T> a_in(stream, a, kOffset), b_in(stream, b, kOffset);
    Placed<T> c(stream, m * n, kOffset), again(stream, m * n, kOffset);
    for (const int times : {1, 2}) {
      const Write mode = times == 1 ? Write::Overwrite : Write::Accumulate;
      run(stream, a_in.data(), b_in.data(), c.data(), mode);
      run(stream, a_in.data(), b_in.data(), again.data(), mode);
      const std::vector<T> found = c.values();
      EXPECT_TRUE(same_bytes(found, again.values()));
      for (int64_t i = 0; i < m * n; ++i) {
        ASSERT_TRUE(within(found[i], times * expected[i], times * relative * size[i]))
            << i << ": " << found[i] << " " << times * expected[i];
      }
    }
    EXPECT_TRUE(c.intact() && again.intact() && a_in.intact() && b_in.intact());
    EXPECT_TRUE(same(stream, c.values()));
  }
}

// A batch, run on each of `on`: each product as above, the elements between the results untouched.
template <class T>
void expect_gemm_batch(const GemmShape& s, const GemmBatch& batch, const std::vector<Stream>& on) {
  const auto extent = [&](int64_t stride, int64_t size) {
    return (batch.count - 1) * stride + size;
  };
  const int64_t result = s.m * s.n;
  const auto a = random_values<T>(extent(batch.a, s.m * s.k), 1);
  const auto b = random_values<T>(extent(batch.b, s.k * s.n), 2);
  const ParameterGroups results{batch.count, batch.c};
  const Stream one = Stream::cpu(1);
  SameOnEachDevice<T> same[2];
  for (const Stream& stream : on) {
    SCOPED_TRACE(to_string(s, batch) + ", " + name(stream));
    const Gemm<T> gemm(stream, s, batch);
    constexpr int64_t kOffset = 64 / sizeof(T);  // aligned to 64 bytes, and to no more
    const Placed<T> a_in(stream, a, kOffset), b_in(stream, b, kOffset);
    Placed<T> c(stream, extent(batch.c, result), kOffset);
    Placed<char> scratch(stream, gemm.scratch_bytes(), 64);
    for (const int times : {1, 2}) {
      const Write mode = times == 1 ? Write::Overwrite : Write::Accumulate;
      gemm.run(stream, a_in.data(), b_in.data(), c.data(), mode, scratch.data());
      const std::vector<T> found = c.values();
      for (int64_t g = 0; g < batch.count; ++g) {
        const auto factor = [&](const std::vector<T>& v, int64_t first, int64_t size) {
          return std::vector<double>(v.begin() + first, v.begin() + first + size);
        };
        const auto a64 = factor(a, g * batch.a, s.m * s.k), b64 = factor(b, g * batch.b, s.k * s.n);
        std::vector<double> expected(result), size(result);
        reference::gemm(one, s, a64.data(), b64.data(), expected.data(), Write::Overwrite);
        reference::gemm(one, s, magnitudes(a64).data(), magnitudes(b64).data(), size.data(),
                        Write::Overwrite);
        const double relative = times * static_cast<double>(s.k + 2) * eps_of<T>();
        for (int64_t i = 0; i < result; ++i) {
          ASSERT_TRUE(within(found[g * batch.c + i], times * expected[i], relative * size[i]))
              << "product " << g << ", " << i;
        }
      }
      EXPECT_TRUE(gaps_intact<T>(found, results, result));
      EXPECT_TRUE(same[times - 1](stream, gathered<T>(found, results, result)));
    }
    EXPECT_TRUE(c.intact() && scratch.intact() && a_in.intact() && b_in.intact());
  }
}

}  // namespace basin::test
