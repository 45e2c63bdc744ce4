// Augmentation against its meaning, pixel by pixel: any shape, padding and batching, any number of
// threads to the same bytes; and its CUDA body with blocks of host threads.
#include "kernels/augment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <set>

#include "kernels/augment.cuh"
#include "tests/support/block.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

template <class T>
class AugmentTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(AugmentTest, Scalars);

constexpr int64_t kImages = 11;
constexpr uint64_t kSeed = 5;
constexpr uint32_t kEpoch = 3;

const AugmentShape kShapes[] = {{32, 32, 3, 4, true}, {32, 32, 1, 4, true}, {5, 7, 3, 2, true},
                                {7, 5, 1, 9, true},   {1, 1, 4, 1, false},  {33, 17, 3, 0, true},
                                {8, 8, 1, 0, false},  {16, 65, 2, 3, false}};

std::vector<uint8_t> random_bytes(int64_t n) {
  std::vector<uint8_t> bytes(n);
  for (int64_t i = 0; i < n; ++i) {
    bytes[i] = static_cast<uint8_t>(
        philox_at(1, Purpose::Test, 0, static_cast<uint64_t>(i)).value[0] >> 24);
  }
  return bytes;
}

// Pads, crops, flips, scales, each for itself.
template <class T>
std::vector<T> meaning(const AugmentShape& s, const uint8_t* image, const Crop& crop) {
  const int64_t p = std::max(std::abs(crop.dy), std::abs(crop.dx));
  const int64_t width = s.w + 2 * p;
  std::vector<uint8_t> padded((s.h + 2 * p) * width * s.c, 0);
  for (int64_t r = 0; r < s.h; ++r) {
    std::copy_n(image + r * s.w * s.c, s.w * s.c, padded.data() + ((r + p) * width + p) * s.c);
  }
  std::vector<T> out;
  for (int64_t r = 0; r < s.h; ++r) {
    for (int64_t q = 0; q < s.w; ++q) {
      const int64_t column = crop.flipped ? s.w - 1 - q : q;
      for (int64_t k = 0; k < s.c; ++k) {
        const int64_t at = ((r + p + crop.dy) * width + column + p + crop.dx) * s.c + k;
        out.push_back(static_cast<T>(padded[at]) / T(255));
      }
    }
  }
  return out;
}

template <class T>
std::vector<T> meaning(const AugmentShape& s, const std::vector<uint8_t>& images,
                       const std::vector<int64_t>& indices, int64_t first) {
  std::vector<T> all;
  for (size_t b = 0; b < indices.size(); ++b) {
    const Crop crop = crop_of(s, kSeed, kEpoch, first + static_cast<int64_t>(b));
    const auto one = meaning<T>(s, images.data() + indices[b] * s.h * s.w * s.c, crop);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

// The order of an epoch of n, and labels that belong to its images.
std::vector<int64_t> some_order(int64_t n) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < n; ++i) order.push_back(i * 7 % kImages);
  return order;
}
std::vector<int32_t> some_labels() {
  std::vector<int32_t> labels;
  for (int32_t i = 0; i < kImages; ++i) labels.push_back(100 - i);
  return labels;
}

// Batch 3 of `batch` images, of which n are there.
struct Case {
  static constexpr int64_t kStep = 3;
  int64_t batch, n;
  std::vector<int64_t> order = some_order(kStep * batch + n);
  std::vector<int64_t> indices() const { return {order.begin() + kStep * batch, order.end()}; }
  std::vector<int32_t> labels() const {
    std::vector<int32_t> expected;
    for (const int64_t i : indices()) expected.push_back(some_labels()[i]);
    return expected;
  }
};

TYPED_TEST(AugmentTest, IsItsMeaning) {
  using T = TypeParam;
  for (const AugmentShape& s : kShapes) {
    const int64_t size = s.h * s.w * s.c;
    const auto bytes = random_bytes(kImages * size);
    for (const auto& [batch, n] : {std::pair<int64_t, int64_t>{1, 1}, {3, 3}, {40, 40}, {40, 7}}) {
      const Case c{batch, n};
      const auto expected = meaning<T>(s, bytes, c.indices(), Case::kStep * batch);
      for (const Stream& stream : streams({1, 2, 3})) {
        const Placed<uint8_t> images(stream, bytes);
        const Placed<int32_t> labels(stream, some_labels());
        const Placed<int64_t> order(stream, c.order);
        const StepCursor place{Case::kStep, kEpoch};
        const Buffer cursor(stream, sizeof(place));
        copy_to_device(stream, cursor.data(), &place, sizeof(place));
        Placed<T> out(stream, n * size, 1);
        Placed<int32_t> out_labels(stream, n);
        augment(stream, s, {images.data(), labels.data(), order.data()}, batch, n, kSeed,
                reinterpret_cast<const StepCursor*>(cursor.data()), out.data(), out_labels.data());
        EXPECT_TRUE(same_bytes(out.values(), expected))
            << s.h << " x " << s.w << " x " << s.c << ", padding " << s.padding << ", "
            << name(stream);
        EXPECT_EQ(out_labels.values(), c.labels());
        EXPECT_TRUE(out.intact() && out_labels.intact() && images.intact());
      }
    }
  }
}

TYPED_TEST(AugmentTest, DoesNotDependOnTheBatching) {
  using T = TypeParam;
  const AugmentShape s = kShapes[0];
  const int64_t size = s.h * s.w * s.c;
  const auto images = random_bytes(kImages * size);
  const auto labels = some_labels();
  const auto order = some_order(10);
  const ImageSource source{images.data(), labels.data(), order.data()};
  const Stream stream = Stream::cpu(1);
  Guarded<T> whole(10 * size), parts(10 * size);
  Guarded<int32_t> out_labels(10);
  StepCursor cursor{0, kEpoch};
  augment(stream, s, source, 10, 10, kSeed, &cursor, whole.data(), out_labels.data());
  for (; cursor.step < 3; ++cursor.step) {
    augment(stream, s, source, 4, cursor.step < 2 ? 4 : 2, kSeed, &cursor,
            parts.data() + cursor.step * 4 * size, out_labels.data());
  }
  EXPECT_TRUE(same_bytes(parts.values(), whole.values()));
  augment(stream, s, source, 4, 0, kSeed, &cursor, static_cast<T*>(nullptr), nullptr);
}

TYPED_TEST(AugmentTest, TheBodyOfTheOtherBackendDoesTheSame) {
  using T = TypeParam;
  for (const AugmentShape& s : kShapes) {
    const int64_t size = s.h * s.w * s.c;
    const auto images = random_bytes(kImages * size);
    const auto labels = some_labels();
    const Case c{6, 5};
    const StepCursor cursor{Case::kStep, kEpoch};
    const auto expected = meaning<T>(s, images, c.indices(), Case::kStep * 6);
    for (const int threads : {1, 16, 64}) {
      Guarded<T> out(5 * size);
      Guarded<int32_t> out_labels(5);
      run_blocks<AugmentBody<T>>(
          2, threads, s, ImageSource{images.data(), labels.data(), c.order.data()}, int64_t{6},
          int64_t{5}, kSeed, &cursor, out.data(), out_labels.data());
      EXPECT_TRUE(same_bytes(out.values(), expected)) << threads << " threads";
      EXPECT_EQ(out_labels.values(), c.labels());
      EXPECT_TRUE(out.intact() && out_labels.intact());
    }
  }
}

TEST(Augment, EveryOffsetAndBothSidesAreDrawnEvenly) {
  const AugmentShape s{32, 32, 3, 4, true};
  constexpr int kDraws = 81 * 200;
  std::vector<int> counts(81, 0);
  int flips = 0;
  for (int64_t i = 0; i < kDraws; ++i) {
    const Crop crop = crop_of(s, kSeed, 0, i);
    ASSERT_TRUE(std::abs(crop.dy) <= 4 && std::abs(crop.dx) <= 4);
    ++counts[(crop.dy + 4) * 9 + crop.dx + 4];
    flips += crop.flipped ? 1 : 0;
  }
  for (const int count : counts) EXPECT_NEAR(count, 200, 5 * std::sqrt(200.0));
  EXPECT_NEAR(flips, kDraws / 2, 5 * std::sqrt(kDraws / 4.0));
  const Crop still = crop_of({32, 32, 3, 0, false}, kSeed, 0, 1);
  EXPECT_TRUE(still.dy == 0 && still.dx == 0 && !still.flipped);
}

TEST(Augment, CostCountsBytes) {
  constexpr Cost cost = augment_cost<float>({32, 32, 3, 4, true}, 2);
  static_assert(cost.bytes_read == 2 * (3072 + 8) && cost.bytes_written == 2 * 3072 * 4);
  static_assert(cost.flops == 2 * 3072);
}

}  // namespace
}  // namespace basin::test
