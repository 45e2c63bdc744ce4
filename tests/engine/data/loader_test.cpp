// The loader: every index once an epoch, epochs that differ, batches that depend on nothing but
// their place, on one thread or two.
#include "engine/data/loader.h"

#include <algorithm>
#include <numeric>

#include "tests/support/compare.h"
#include "tests/support/files.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

// n images of 4x3x2 bytes; the label is the example's index, and the first byte too.
Dataset numbered(int64_t n) {
  Dataset data;
  data.n = n;
  data.h = 4, data.w = 3, data.c = 2;
  data.classes = static_cast<int>(n);
  for (int64_t i = 0; i < n; ++i) {
    for (int k = 0; k < 24; ++k) data.images.push_back(static_cast<uint8_t>(i + 11 * k));
    data.labels.push_back(static_cast<int32_t>(i));
  }
  return data;
}

struct Epoch {
  std::vector<float> images;
  std::vector<int32_t> labels;
  std::vector<int64_t> sizes;
};
Epoch run_epoch(Loader& loader, const Dataset& data, int64_t batch, int epoch, int threads = 1) {
  Epoch result;
  loader.start_epoch(epoch);
  const int64_t size = data.h * data.w * data.c;
  for (int64_t i = 0; i < loader.batches(); ++i) {
    Guarded<float> images(batch * size);
    Guarded<int32_t> labels(batch);
    const int64_t n = loader.fill(Stream::cpu(threads), i, images.data(), labels.data());
    EXPECT_TRUE(images.intact() && labels.intact());
    result.sizes.push_back(n);
    result.images.insert(result.images.end(), images.data(), images.data() + n * size);
    result.labels.insert(result.labels.end(), labels.data(), labels.data() + n);
  }
  return result;
}

std::vector<int32_t> sorted(std::vector<int32_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}
std::vector<int32_t> first_numbers(int32_t n) {
  std::vector<int32_t> values(n);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

TEST(Loader, EveryExampleOnceAnEpochInAnotherOrder) {
  const Dataset data = numbered(101);
  Loader loader(data, 8, 7, Shuffle::Yes, {}, DropLast::No);
  EXPECT_EQ(loader.batches(), 13);
  const Epoch a = run_epoch(loader, data, 8, 0), b = run_epoch(loader, data, 8, 1);
  EXPECT_EQ(sorted(a.labels), first_numbers(101));
  EXPECT_EQ(sorted(b.labels), first_numbers(101));
  EXPECT_NE(a.labels, b.labels);
  EXPECT_NE(a.labels, first_numbers(101));
  EXPECT_EQ(a.sizes.back(), 5);
  // Whatever was loaded before, an epoch is the same again, and another seed's is not.
  EXPECT_EQ(run_epoch(loader, data, 8, 0).labels, a.labels);
  Loader other(data, 8, 8, Shuffle::Yes, {}, DropLast::No);
  EXPECT_NE(run_epoch(other, data, 8, 0).labels, a.labels);
  // The order does not depend on the batch.
  Loader wide(data, 50, 7, Shuffle::Yes, {}, DropLast::No);
  EXPECT_EQ(run_epoch(wide, data, 50, 0).labels, a.labels);
}

TEST(Loader, WithoutShuffleTheOrderIsTheDatasOwn) {
  const Dataset data = numbered(10);
  Loader loader(data, 4, 7, Shuffle::No, {}, DropLast::No);
  const Epoch epoch = run_epoch(loader, data, 4, 3);
  EXPECT_EQ(epoch.labels, first_numbers(10));
  for (size_t i = 0; i < data.images.size(); ++i) {
    ASSERT_EQ(epoch.images[i], static_cast<float>(data.images[i]) / 255.0f);
  }
}

TEST(Loader, LabelsStayWithTheirImages) {
  const Dataset data = numbered(33);
  Loader loader(data, 5, 1, Shuffle::Yes, {}, DropLast::No);
  const Epoch epoch = run_epoch(loader, data, 5, 2);
  for (size_t i = 0; i < epoch.labels.size(); ++i) {
    EXPECT_EQ(epoch.images[i * 24], static_cast<float>(epoch.labels[i]) / 255.0f);
  }
}

TEST(Loader, TheLastPartialBatchCanBeDropped) {
  const Dataset data = numbered(10);
  Loader loader(data, 4, 1, Shuffle::Yes, {}, DropLast::Yes);
  EXPECT_EQ(loader.batches(), 2);
  EXPECT_EQ(run_epoch(loader, data, 4, 0).sizes, (std::vector<int64_t>{4, 4}));
  Loader whole(data, 5, 1, Shuffle::Yes, {}, DropLast::No);
  EXPECT_EQ(whole.batches(), 2);
}

TEST(Loader, AugmentedBatchesAreTheSameOnAnyThreadCount) {
  // Large enough for a second thread to be asked.
  Dataset data;
  data.n = 300;
  for (int64_t i = 0; i < data.n * 3072; ++i) {
    data.images.push_back(static_cast<uint8_t>(i * 2654435761u >> 11));
  }
  data.labels.assign(300, 1);
  Loader loader(data, 128, 3, Shuffle::Yes, {.padding = 4, .flip = true}, DropLast::No);
  const Epoch one = run_epoch(loader, data, 128, 0, 1), two = run_epoch(loader, data, 128, 0, 2);
  EXPECT_TRUE(same_bytes(one.images, two.images));
  const Epoch next = run_epoch(loader, data, 128, 1, 2);
  EXPECT_FALSE(same_bytes(one.images, next.images));
  Loader narrow(data, 100, 3, Shuffle::Yes, {.padding = 4, .flip = true}, DropLast::No);
  EXPECT_TRUE(same_bytes(run_epoch(narrow, data, 100, 0, 2).images, one.images));
}

TEST(Loader, ABatchThatIsNotThereIsRefused) {
  const Dataset data = numbered(10);
  const Loader loader(data, 4, 0, Shuffle::No, {}, DropLast::Yes);
  std::vector<float> images(4 * 24);
  std::vector<int32_t> labels(4);
  for (const int64_t index : {-1, 2}) {
    EXPECT_THAT(
        usage_error([&] { loader.fill(Stream::cpu(1), index, images.data(), labels.data()); }),
        testing::HasSubstr("found " + std::to_string(index)));
  }
}

TEST(Loader, ABatchLargerThanTheDataIsRefused) {
  const Dataset data = numbered(10);
  for (const int64_t batch : {0, -1, 11}) {
    const std::string message =
        usage_error([&] { Loader(data, batch, 0, Shuffle::No, {}, DropLast::No); });
    EXPECT_THAT(message, testing::StartsWith("--batch: found " + std::to_string(batch)));
  }
}

}  // namespace
}  // namespace basin::test
