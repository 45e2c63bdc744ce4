// NumPy's legacy generator: numbers that NumPy itself gave (numpy.random.seed, then the calls
// named).
#include "engine/data/numpy_random.h"

#include <gtest/gtest.h>

namespace basin::test {
namespace {

TEST(NumpyRandom, Uniforms) {
  NumpyRandom zero(0);  // random_sample(3)
  for (const double expected : {0.5488135039273248, 0.7151893663724195, 0.6027633760716439}) {
    EXPECT_EQ(zero.uniform(), expected);
  }
  NumpyRandom last(4294967295U);
  EXPECT_EQ(last.uniform(), 0.0976320289940138);
}

TEST(NumpyRandom, GaussiansComeInPairs) {
  NumpyRandom random(0);  // randn(5)
  for (const double expected : {1.764052345967664, 0.4001572083672233, 0.9787379841057392,
                                2.240893199201458, 1.8675579901499675}) {
    EXPECT_DOUBLE_EQ(random.normal(), expected);
  }
  // randint takes bits of its own, and the second of the last pair stays kept: randint(20),
  // randn(), random_sample()
  EXPECT_EQ(random.below(20), 4U);
  EXPECT_DOUBLE_EQ(random.normal(), -0.977277879876411);
  EXPECT_EQ(random.uniform(), 0.2975346065444723);
}

// The order of understanding-sam's validation images for seed 0: permutation(50000).
TEST(NumpyRandom, Permutations) {
  const std::vector<int64_t> order = NumpyRandom(0).permutation(50000);
  const std::vector<int64_t> first{11841, 19602, 45519, 25747, 42642, 31902, 30346, 12363};
  EXPECT_EQ(std::vector<int64_t>(order.begin(), order.begin() + 8), first);
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (int64_t i = 0; i < 50000; ++i) ASSERT_EQ(sorted[i], i);
  EXPECT_EQ(NumpyRandom(3).permutation(1), std::vector<int64_t>{0});
}

TEST(NumpyRandom, IntegersBelowABound) {
  NumpyRandom random(0);
  for (const uint32_t expected : {12U, 15U, 0U, 3U, 3U, 7U, 9U, 19U, 18U, 4U, 6U, 12U})
    EXPECT_EQ(random.below(20), expected);  // randint(20)
  for (const uint32_t expected : {2U, 1U, 6U, 7U, 7U, 6U}) EXPECT_EQ(random.below(8), expected);
  for (const uint32_t expected : {2439732824U, 1686997841U, 305097549U, 1449105480U})
    EXPECT_EQ(random.below(3000000000U), expected);
  EXPECT_EQ(random.below(1), 0U);  // takes no bits
  EXPECT_EQ(random.uniform(), 0.08712929970154071);
}

}  // namespace
}  // namespace basin::test
