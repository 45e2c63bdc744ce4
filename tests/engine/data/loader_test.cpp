// The loader: every index once an epoch, epochs that differ, batches that depend on nothing but
// their place, on every device there is.
#include "engine/data/loader.h"

#include <algorithm>
#include <numeric>

#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/files.h"

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
// An epoch's batches, each loaded for itself.
Epoch run_epoch(const Stream& stream, Loader& loader, int epoch) {
  Epoch result;
  const int64_t size = loader.image_size();
  for (int64_t i = 0; i < loader.batches(); ++i) {
    Placed<float> images(stream, loader.batch() * size);
    Placed<int32_t> labels(stream, loader.batch());
    loader.start_epoch(epoch, i);
    const int64_t n = loader.size(i);
    loader.fill(n, images.data(), labels.data());
    EXPECT_TRUE(images.intact() && labels.intact());
    const auto pixels = images.values();
    const auto classes = labels.values();
    result.sizes.push_back(n);
    result.images.insert(result.images.end(), pixels.begin(), pixels.begin() + n * size);
    result.labels.insert(result.labels.end(), classes.begin(), classes.begin() + n);
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
  for (const Stream& stream : streams({1, 2})) {
    const Dataset data = numbered(101);
    Loader loader(stream, data, 8, 7, Shuffle::Yes, {}, DropLast::No);
    EXPECT_EQ(loader.batches(), 13);
    const Epoch a = run_epoch(stream, loader, 0), b = run_epoch(stream, loader, 1);
    EXPECT_EQ(sorted(a.labels), first_numbers(101));
    EXPECT_EQ(sorted(b.labels), first_numbers(101));
    EXPECT_NE(a.labels, b.labels);
    EXPECT_NE(a.labels, first_numbers(101));
    EXPECT_EQ(a.sizes.back(), 5);
    // Whatever was loaded before, an epoch is the same again, and another seed's is not.
    EXPECT_EQ(run_epoch(stream, loader, 0).labels, a.labels);
    Loader other(stream, data, 8, 8, Shuffle::Yes, {}, DropLast::No);
    EXPECT_NE(run_epoch(stream, other, 0).labels, a.labels);
    // The order does not depend on the batch.
    Loader wide(stream, data, 50, 7, Shuffle::Yes, {}, DropLast::No);
    EXPECT_EQ(run_epoch(stream, wide, 0).labels, a.labels);
  }
}

TEST(Loader, WithoutShuffleTheOrderIsTheDatasOwn) {
  for (const Stream& stream : streams({1, 2})) {
    const Dataset data = numbered(10);
    Loader loader(stream, data, 4, 7, Shuffle::No, {}, DropLast::No);
    const Epoch epoch = run_epoch(stream, loader, 3);
    EXPECT_EQ(epoch.labels, first_numbers(10));
    for (size_t i = 0; i < data.images.size(); ++i) {
      ASSERT_EQ(epoch.images[i], static_cast<float>(data.images[i]) / 255.0f);
    }
  }
}

TEST(Loader, LabelsStayWithTheirImages) {
  for (const Stream& stream : streams({1, 2})) {
    const Dataset data = numbered(33);
    Loader loader(stream, data, 5, 1, Shuffle::Yes, {}, DropLast::No);
    const Epoch epoch = run_epoch(stream, loader, 2);
    for (size_t i = 0; i < epoch.labels.size(); ++i) {
      EXPECT_EQ(epoch.images[i * 24], static_cast<float>(epoch.labels[i]) / 255.0f);
    }
  }
}

TEST(Loader, TheLastPartialBatchCanBeDropped) {
  for (const Stream& stream : streams({1, 2})) {
    const Dataset data = numbered(10);
    Loader loader(stream, data, 4, 1, Shuffle::Yes, {}, DropLast::Yes);
    EXPECT_EQ(loader.batches(), 2);
    EXPECT_EQ(run_epoch(stream, loader, 0).sizes, (std::vector<int64_t>{4, 4}));
    Loader whole(stream, data, 5, 1, Shuffle::Yes, {}, DropLast::No);
    EXPECT_EQ(whole.batches(), 2);
  }
}

TEST(Loader, AugmentedBatchesAreTheSameEverywhere) {
  // Large enough for a second thread to be asked.
  Dataset data;
  data.n = 300;
  for (int64_t i = 0; i < data.n * 3072; ++i) {
    data.images.push_back(static_cast<uint8_t>(i * 2654435761u >> 11));
  }
  data.labels.assign(300, 1);
  const auto epoch_of = [&](const Stream& stream, int64_t batch, int epoch) {
    Loader loader(stream, data, batch, 3, Shuffle::Yes, {.padding = 4, .flip = true}, DropLast::No);
    return run_epoch(stream, loader, epoch).images;
  };
  const auto one = epoch_of(Stream::cpu(1), 128, 0);
  for (const Stream& stream : streams({2})) {
    EXPECT_TRUE(same_bytes(one, epoch_of(stream, 128, 0))) << name(stream);
    EXPECT_TRUE(same_bytes(one, epoch_of(stream, 100, 0))) << name(stream);
    EXPECT_FALSE(same_bytes(one, epoch_of(stream, 128, 1))) << name(stream);
  }
}

TEST(Loader, ABatchThatIsNotThereIsRefused) {
  const Dataset data = numbered(10);
  const Loader loader(Stream::cpu(1), data, 4, 0, Shuffle::No, {}, DropLast::Yes);
  for (const int64_t index : {-1, 2}) {
    EXPECT_THAT(usage_error([&] { loader.size(index); }),
                testing::HasSubstr("found " + std::to_string(index)));
  }
}

TEST(Loader, ABatchLargerThanTheDataIsRefused) {
  const Dataset data = numbered(10);
  for (const int64_t batch : {0, -1, 11}) {
    const std::string message =
        usage_error([&] { Loader(Stream::cpu(1), data, batch, 0, Shuffle::No, {}, DropLast::No); });
    EXPECT_THAT(message, testing::StartsWith("--batch: found " + std::to_string(batch)));
  }
}

}  // namespace
}  // namespace basin::test
