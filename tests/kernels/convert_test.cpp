// Conversions against plain ones: odd sizes, both write modes, threads, hostile memory.
#include "kernels/convert.h"

#include <gtest/gtest.h>

#include "kernels/bfloat16.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

template <class From, class To>
void expect_converted() {
  std::vector<int64_t> sizes = kOddSizes;
  sizes.push_back(100003);  // enough for two threads
  sizes.push_back(0);
  for (const int64_t n : sizes) {
    const Guarded<From> x(random_values<From>(n, 1), 1);
    const Guarded<To> before(random_values<To>(n, 2), 1);
    for (const int threads : {1, 2}) {
      Guarded<To> y(n, 1), sum(before.values(), 1);
      convert(Stream::cpu(threads), n, x.data(), y.data(), Write::Overwrite);
      convert(Stream::cpu(threads), n, x.data(), sum.data(), Write::Accumulate);
      for (int64_t i = 0; i < n; ++i) {
        const To copied(x[i]), added(before[i] + x[i]);
        ASSERT_EQ(y[i], copied) << i << " of " << n;
        ASSERT_EQ(sum[i], added) << i << " of " << n;
      }
      EXPECT_TRUE(x.intact() && y.intact() && sum.intact());
    }
  }
}

TEST(Convert, AgreesWithPlainConversions) {
  expect_converted<float, bfloat16>();
  expect_converted<bfloat16, float>();
  expect_converted<bfloat16, bfloat16>();
  expect_converted<float, float>();
  expect_converted<double, double>();
}

TEST(Convert, NanIsKept) {
  const std::vector<float> x(33, poison<float>());
  Guarded<bfloat16> y(33);
  convert(Stream::cpu(1), 33, x.data(), y.data(), Write::Overwrite);
  for (int64_t i = 0; i < 33; ++i) EXPECT_TRUE(std::isnan(static_cast<float>(y[i])));
}

TEST(Convert, CostCountsBothTypes) {
  constexpr Cost copied = convert_cost<float, bfloat16>(10, Write::Overwrite);
  EXPECT_EQ(copied.bytes_read, 40);
  EXPECT_EQ(copied.bytes_written, 20);
  constexpr Cost added = convert_cost<float, bfloat16>(10, Write::Accumulate);
  EXPECT_EQ(added.bytes_read, 60);
  EXPECT_EQ(added.flops, 10);
}

}  // namespace
}  // namespace basin::test
