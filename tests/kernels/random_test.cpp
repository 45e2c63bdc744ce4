// Philox against its published known answers, and the distributions made from it against theirs.
#include "kernels/random.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace basin::test {
namespace {

struct KnownAnswer {
  uint32_t counter[4], key[2], expected[4];
};

// Random123, tests/kat_vectors, philox 4x32, 10 rounds. The third input is the digits of pi.
const KnownAnswer kKnownAnswers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};

TEST(Random, KnownAnswers) {
  for (const KnownAnswer& known : kKnownAnswers) {
    const Philox4 found = philox(known.counter, known.key);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(found.value[i], known.expected[i]) << i;
  }
}

TEST(Random, SeedPurposeLaneAndIndexAllTell) {
  const uint64_t seeds[] = {0, 1, uint64_t{1} << 32};
  const uint64_t indices[] = {0, 1, uint64_t{1} << 32};
  std::set<std::vector<uint32_t>> seen;
  for (const uint64_t seed : seeds) {
    for (const uint64_t index : indices) {
      for (const Purpose purpose : {Purpose::Initialise, Purpose::Test}) {
        for (const uint32_t lane : {0u, 1u, 0xffffffffu}) {
          const Philox4 bits = philox_at(seed, purpose, lane, index);
          seen.insert({bits.value, bits.value + 4});
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), 3u * 3 * 2 * 3);
}

TEST(Random, UniformCoversTheHalfOpenUnitInterval) {
  EXPECT_EQ(uniform({{0, 0, 0, 0}}), 0.0);
  EXPECT_EQ(uniform({{0xffffffff, 0xffffffff, 0, 0}}), 1.0 - 0x1p-53);
  EXPECT_EQ(uniform({{0x80000000, 0, 0, 0}}), 0.5);
  EXPECT_EQ(uniform({{0, 64, 0, 0}}), 0x1p-53);
}

constexpr int kDraws = 200'000;

// Mean and variance within five standard errors of a draw of kDraws.
TEST(Random, MomentsOfUniformAndNormal) {
  double mean = 0, square = 0, normal_mean = 0, normal_square = 0, fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const Philox4 bits = philox_at(1, Purpose::Test, 0, static_cast<uint64_t>(i));
    const double u = uniform(bits) - 0.5, z = normal(bits);
    mean += u / kDraws;
    square += u * u / kDraws;
    normal_mean += z / kDraws;
    normal_square += z * z / kDraws;
    fourth += z * z * z * z / kDraws;
  }
  const double root = std::sqrt(static_cast<double>(kDraws));
  EXPECT_NEAR(mean, 0, 5 * std::sqrt(1.0 / 12) / root);
  EXPECT_NEAR(square, 1.0 / 12, 5 * std::sqrt(1.0 / 180) / root);
  EXPECT_NEAR(normal_mean, 0, 5 / root);
  EXPECT_NEAR(normal_square, 1, 5 * std::sqrt(2.0) / root);
  EXPECT_NEAR(fourth, 3, 5 * std::sqrt(96.0) / root);
}

TEST(Random, NormalIsFiniteWhereTheUniformIsAtItsEnds) {
  EXPECT_EQ(normal({{0, 0, 0, 0}}), 0.0);
  const double largest = normal({{0xffffffff, 0xffffffff, 0, 0}});
  EXPECT_NEAR(largest, std::sqrt(2 * 53 * std::log(2.0)), 1e-12);
}

TEST(Random, BoundedStaysBelowItsBoundAndIsEven) {
  EXPECT_EQ(bounded({{0xffffffff, 0xffffffff, 0, 0}}, 10), 9u);
  EXPECT_EQ(bounded({{0xffffffff, 0xffffffff, 0, 0}}, 0xffffffff), 0xfffffffeu);
  EXPECT_EQ(bounded({{0, 0, 0, 0}}, 10), 0u);
  EXPECT_EQ(bounded({{0xffffffff, 0xffffffff, 0, 0}}, 1), 0u);
  // The high word of a 96-bit product, by another route.
  for (const uint32_t bound : {3u, 10u, 50'000u, 0xdeadbeefu}) {
    for (uint64_t i = 0; i < 1000; ++i) {
      const Philox4 bits = philox_at(2, Purpose::Test, 0, i);
      const uint64_t wide = uint64_t{bits.value[0]} << 32 | bits.value[1];
      __extension__ using Wide = unsigned __int128;
      EXPECT_EQ(bounded(bits, bound), static_cast<uint32_t>((Wide{wide} * bound) >> 64));
    }
  }
  constexpr int kBound = 7;
  int counts[kBound] = {};
  for (int i = 0; i < kDraws; ++i) {
    ++counts[bounded(philox_at(3, Purpose::Test, 0, static_cast<uint64_t>(i)), kBound)];
  }
  const double p = 1.0 / kBound, deviation = std::sqrt(kDraws * p * (1 - p));
  for (const int count : counts) EXPECT_NEAR(count, kDraws * p, 5 * deviation);
}

}  // namespace
}  // namespace basin::test
