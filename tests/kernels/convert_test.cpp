// Conversions against plain ones: odd sizes, both write modes, devices, hostile memory.
#include "kernels/convert.h"

#include <gtest/gtest.h>

#include "kernels/bfloat16.h"
#include "kernels/convert.cuh"
#include "tests/support/block.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

// What is to be written, added to `before` where given.
template <class From, class To>
std::vector<To> meaning(const std::vector<From>& x, const std::vector<To>& before = {}) {
  std::vector<To> y;
  for (size_t i = 0; i < x.size(); ++i) {
    y.push_back(static_cast<To>(before.empty() ? Wide<To>(x[i]) : before[i] + x[i]));
  }
  return y;
}

template <class From, class To>
void expect_converted() {
  std::vector<int64_t> sizes = kOddSizes;
  sizes.push_back(100003);  // enough for two threads
  sizes.push_back(0);
  for (const int64_t n : sizes) {
    const auto x = random_values<From>(n, 1);
    const auto before = random_values<To>(n, 2);
    for (const Stream& stream : streams({1, 2})) {
      for (const int64_t offset : {0, 1}) {
        const Placed<From> from(stream, x, offset);
        Placed<To> y(stream, n, offset), sum(stream, before, offset);
        convert(stream, n, from.data(), y.data(), Write::Overwrite);
        convert(stream, n, from.data(), sum.data(), Write::Accumulate);
        EXPECT_TRUE(same_bytes(y.values(), meaning<From, To>(x))) << n << ", " << name(stream);
        EXPECT_TRUE(same_bytes(sum.values(), meaning(x, before))) << n << ", " << name(stream);
        EXPECT_TRUE(from.intact() && y.intact() && sum.intact());
      }
    }
  }
}

template <class From, class To>
void expect_body_converts() {
  const int64_t n = 1003;
  const auto x = random_values<From>(n, 1);
  const auto before = random_values<To>(n, 2);
  for (const Access access : {Access::Packed, Access::Single}) {
    const int64_t offset = access == Access::Packed ? 0 : 1;
    const Guarded<From> from(x, offset);
    Guarded<To> y(n, offset), sum(before, offset);
    using Body = ConvertBody<From, To>;
    run_blocks<Body>(2, 1, n, access, from.data(), y.data(), Write::Overwrite);
    run_blocks<Body>(2, 16, n, access, from.data(), sum.data(), Write::Accumulate);
    EXPECT_TRUE(same_bytes(y.values(), meaning<From, To>(x)));
    EXPECT_TRUE(same_bytes(sum.values(), meaning(x, before)));
    EXPECT_TRUE(y.intact() && sum.intact());
  }
}

TEST(Convert, AgreesWithPlainConversions) {
  expect_converted<float, bfloat16>();
  expect_converted<bfloat16, float>();
  expect_converted<bfloat16, bfloat16>();
  expect_converted<float, float>();
  expect_converted<double, double>();
}

TEST(Convert, TheBodyOfTheOtherBackendDoesTheSame) {
  expect_body_converts<float, bfloat16>();
  expect_body_converts<bfloat16, float>();
  expect_body_converts<bfloat16, bfloat16>();
  expect_body_converts<float, float>();
  expect_body_converts<double, double>();
}

TEST(Convert, NanIsKept) {
  for (const Stream& stream : streams({1})) {
    const Placed<float> x(stream, 33);  // poison
    Placed<bfloat16> y(stream, std::vector<float>(33, 1.0f));
    convert(stream, 33, x.data(), y.data(), Write::Overwrite);
    for (const float v : y.values()) EXPECT_TRUE(std::isnan(v)) << name(stream);
  }
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
