// Parts of a data set.
#include "engine/data/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/data/numpy_random.h"
#include "tests/support/files.h"

namespace basin::test {
namespace {

using testing::HasSubstr;

// Example i is an image of i's, with label i mod 3.
Dataset counted(int64_t n) {
  Dataset data{.n = n, .h = 2, .w = 1, .c = 2, .classes = 3, .images = {}, .labels = {}};
  for (int64_t i = 0; i < n; ++i) {
    data.images.insert(data.images.end(), 4, static_cast<uint8_t>(i));
    data.labels.push_back(static_cast<int32_t>(i % 3));
  }
  return data;
}

void expect_examples(const Dataset& data, const std::vector<int64_t>& which) {
  ASSERT_EQ(data.n, static_cast<int64_t>(which.size()));
  ASSERT_EQ(data.images.size(), 4 * which.size());
  EXPECT_EQ(data.classes, 3);
  for (size_t k = 0; k < which.size(); ++k) {
    EXPECT_EQ(data.labels[k], which[k] % 3);
    for (size_t p = 0; p < 4; ++p) EXPECT_EQ(data.images[4 * k + p], which[k]);
  }
}

TEST(Split, TakesTheExamplesInTheirOrder) {
  expect_examples(subset(counted(9), std::vector<int64_t>{4, 0, 8}), {4, 0, 8});
  expect_examples(subset(counted(9), std::vector<int64_t>{}), {});
}

TEST(Split, ValidationIsTheFirstOfNumpysPermutation) {
  Dataset data = counted(25);
  const Dataset validation = take_validation(data, 0.1, 7);  // int(2.5)
  const std::vector<int64_t> order = NumpyRandom(7).permutation(25);
  expect_examples(validation, {order[0], order[1]});
  std::vector<int64_t> rest;
  for (int64_t i = 0; i < 25; ++i) {
    if (i != order[0] && i != order[1]) rest.push_back(i);
  }
  expect_examples(data, rest);
}

TEST(Split, BothPartsHaveExamples) {
  for (const double share : {0.05, 1.0}) {
    Dataset data = counted(10);
    EXPECT_THAT(usage_error([&] { take_validation(data, share, 0); }), HasSubstr("--validation"));
  }
  Dataset data = counted(10);
  EXPECT_THAT(usage_error([&] { take_validation(data, 0.5, uint64_t{1} << 32); }),
              HasSubstr("--seed"));
}

}  // namespace
}  // namespace basin::test
