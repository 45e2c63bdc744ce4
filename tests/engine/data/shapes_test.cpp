// The procedural data set: the same bytes on every machine, all classes alike often, the splits
// apart, and every image its own.
#include "engine/data/shapes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace basin::test {
namespace {

// FNV-1a of the images, then of the labels.
uint64_t hash(const Dataset& data) {
  uint64_t h = 14695981039346656037u;
  const auto add = [&h](uint8_t byte) { h = (h ^ byte) * 1099511628211u; };
  for (const uint8_t byte : data.images) add(byte);
  for (const int32_t label : data.labels) add(static_cast<uint8_t>(label));
  return h;
}

TEST(Shapes, TheBytesAreTheSameEverywhere) {
  EXPECT_EQ(hash(make_shapes(200, 0)), 4183700228984871179u);
  EXPECT_EQ(hash(make_shapes(200, 1)), 16775670409089293198u);
}

TEST(Shapes, AnImageDoesNotDependOnHowManyAreMade) {
  const Dataset few = make_shapes(20, 0), many = make_shapes(100, 0);
  EXPECT_TRUE(std::equal(few.images.begin(), few.images.end(), many.images.begin()));
  EXPECT_TRUE(std::equal(few.labels.begin(), few.labels.end(), many.labels.begin()));
}

TEST(Shapes, Extents) {
  const Dataset data = make_shapes(3, 1);
  EXPECT_EQ(data.n, 3);
  EXPECT_EQ(data.images.size(), 3u * 32 * 32 * 3);
  EXPECT_EQ(data.labels.size(), 3u);
  EXPECT_EQ(data.classes, 10);
}

TEST(Shapes, ClassesAreBalanced) {
  const int n = 10'000;
  std::vector<int> counts(10);
  for (const int32_t label : make_shapes(n, 0).labels) ++counts.at(label);
  // A binomial count of mean 1000 and deviation 30.
  for (const int count : counts) EXPECT_NEAR(count, n / 10, 5 * 30);
}

TEST(Shapes, NoImageIsThereTwice) {
  std::set<std::vector<uint8_t>> seen;
  for (const uint32_t split : {0u, 1u}) {
    const Dataset data = make_shapes(500, split);
    for (int64_t i = 0; i < data.n; ++i) {
      seen.emplace(data.images.begin() + i * 3072, data.images.begin() + (i + 1) * 3072);
    }
  }
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Shapes, PixelsUseTheWholeRange) {
  const Dataset data = make_shapes(200, 0);
  const auto [low, high] = std::minmax_element(data.images.begin(), data.images.end());
  EXPECT_EQ(*low, 0);
  EXPECT_GE(*high, 250);
}

}  // namespace
}  // namespace basin::test
