// A loop handed to `vectorised` gives the same result at every level that this processor has.
#include "kernels/simd.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

TEST(Simd, EveryLevelUpToThisProcessorsRuns) {
  const int64_t n = 1003;
  const std::vector<float> values = random_values<float>(n, 1);
  std::vector<double> expected;
  for (const float v : values) expected.push_back(2.0 * v + 1.0);
  for (const cpu::Isa level : {cpu::Isa::Base, cpu::Isa::Avx2, cpu::Isa::Avx512}) {
    if (level > cpu::isa()) continue;
    const Guarded<float> x(values);
    Guarded<float> y(n);
    const float* from = x.data();
    float* to = y.data();
    cpu::vectorised_at(level, [=]() {
      for (int64_t i = 0; i < n; ++i) to[i] = 2.0f * from[i] + 1.0f;
    });
    EXPECT_TRUE(all_close(y.span(), expected, 1, 4.0)) << cpu::isa_name(level);
    EXPECT_TRUE(y.intact());
  }
}

TEST(Simd, ArgumentsArePassedOn) {
  int64_t found = 0;
  int64_t* result = &found;
  cpu::vectorised([=](int64_t a, int64_t b) { *result = 10 * a + b; }, int64_t{4}, int64_t{2});
  EXPECT_EQ(found, 42);
}

TEST(Simd, LevelsHaveNames) {
  EXPECT_EQ(std::string(cpu::isa_name(cpu::Isa::Base)), "baseline");
  EXPECT_EQ(std::string(cpu::isa_name(cpu::Isa::Avx512)), "AVX-512");
}

}  // namespace
}  // namespace basin::test
