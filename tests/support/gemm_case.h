// A matrix product checked against float64: both write modes, poisoned and guarded results, equal
// bytes of two runs and of the streams of a device.
#pragma once

#include <string>

#include "kernels/reference.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
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

}  // namespace basin::test
