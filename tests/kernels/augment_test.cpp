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

std::vector<int64_t> some_indices(int64_t batch) {
  std::vector<int64_t> indices;
  for (int64_t b = 0; b < batch; ++b) indices.push_back(b * 7 % kImages);
  return indices;
}

TYPED_TEST(AugmentTest, IsItsMeaning) {
  using T = TypeParam;
  for (const AugmentShape& s : kShapes) {
    const int64_t size = s.h * s.w * s.c;
    const auto bytes = random_bytes(kImages * size);
    for (const int64_t batch : {1, 3, 40}) {
      const auto indices = some_indices(batch);
      const auto expected = meaning<T>(s, bytes, indices, 100);
      for (const Stream& stream : streams({1, 2, 3})) {
        const Placed<uint8_t> images(stream, bytes);
        const Placed<int64_t> places(stream, indices);
        Placed<T> out(stream, batch * size, 1);
        augment(stream, s, images.data(), places.data(), batch, kSeed, kEpoch, 100, out.data());
        EXPECT_TRUE(same_bytes(out.values(), expected))
            << s.h << " x " << s.w << " x " << s.c << ", padding " << s.padding << ", "
            << name(stream);
        EXPECT_TRUE(out.intact() && images.intact());
      }
    }
  }
}

TYPED_TEST(AugmentTest, DoesNotDependOnTheBatching) {
  using T = TypeParam;
  const AugmentShape s = kShapes[0];
  const int64_t size = s.h * s.w * s.c;
  const auto images = random_bytes(kImages * size);
  const auto indices = some_indices(10);
  const Stream stream = Stream::cpu(1);
  Guarded<T> whole(10 * size), parts(10 * size);
  augment(stream, s, images.data(), indices.data(), 10, kSeed, kEpoch, 0, whole.data());
  for (const int64_t first : {0, 4}) {
    augment(stream, s, images.data(), indices.data() + first, first == 0 ? 4 : 6, kSeed, kEpoch,
            first, parts.data() + first * size);
  }
  EXPECT_TRUE(same_bytes(parts.values(), whole.values()));
  augment(stream, s, images.data(), indices.data(), 0, kSeed, kEpoch, 0, static_cast<T*>(nullptr));
}

TYPED_TEST(AugmentTest, TheBodyOfTheOtherBackendDoesTheSame) {
  using T = TypeParam;
  for (const AugmentShape& s : kShapes) {
    const int64_t size = s.h * s.w * s.c;
    const auto images = random_bytes(kImages * size);
    const auto indices = some_indices(5);
    const auto expected = meaning<T>(s, images, indices, 100);
    for (const int threads : {1, 16, 64}) {
      Guarded<T> out(5 * size);
      run_blocks<AugmentBody<T>>(2, threads, s, images.data(), indices.data(), int64_t{5}, kSeed,
                                 kEpoch, int64_t{100}, out.data());
      EXPECT_TRUE(same_bytes(out.values(), expected)) << threads << " threads";
      EXPECT_TRUE(out.intact());
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
