// A matrix product checked against float64: both write modes, poisoned and guarded results, equal
// bytes of two runs.
#pragma once

#include <string>

#include "kernels/reference.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin::test {

template <class T>
std::vector<double> magnitudes(const std::vector<T>& v) {
  std::vector<double> result(v.begin(), v.end());
  for (double& e : result) e = std::abs(e);
  return result;
}

// run(stream, a, b, c, mode). The sum of k products, in any order, is off by at most k eps times
// the sum of their magnitudes.
template <class T, class Run>
void expect_gemm(const GemmShape& s, const Run& run) {
  const int64_t m = s.m, n = s.n, k = s.k;
  const auto a = random_values<T>(m * k, 1), b = random_values<T>(k * n, 2);
  const std::vector<double> a64(a.begin(), a.end()), b64(b.begin(), b.end());
  std::vector<double> expected(m * n), size(m * n);
  const Stream one = Stream::cpu(1);
  reference::gemm(one, s, a64.data(), b64.data(), expected.data(), Write::Overwrite);
  reference::gemm(one, s, magnitudes(a).data(), magnitudes(b).data(), size.data(),
                  Write::Overwrite);
  for (const int threads : {1, 2}) {
    SCOPED_TRACE(to_string(s) + ", threads " + std::to_string(threads));
    const Stream stream = Stream::cpu(threads);
    const Guarded<T> a_in(a), b_in(b);
    Guarded<T> c(m * n), again(m * n);
    for (const int times : {1, 2}) {
      const Write mode = times == 1 ? Write::Overwrite : Write::Accumulate;
      run(stream, a_in.data(), b_in.data(), c.data(), mode);
      run(stream, a_in.data(), b_in.data(), again.data(), mode);
      EXPECT_TRUE(same_bytes(c.span(), again.span()));
      for (int64_t i = 0; i < m * n; ++i) {
        ASSERT_TRUE(within(c[i], times * expected[i], (k + 2) * times * eps_of<T>() * size[i]))
            << i << ": " << c[i] << " " << times * expected[i];
      }
    }
    EXPECT_TRUE(c.intact() && again.intact() && a_in.intact() && b_in.intact());
  }
}

}  // namespace basin::test
