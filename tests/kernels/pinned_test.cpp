// Pinned memory: owned, moved, and copied from and to in the stream's order.
#include "kernels/pinned.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/elementwise.h"
#include "kernels/map.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

TEST(Pinned, ItIsOwnedAndMoved) {
  EXPECT_EQ(PinnedBuffer().data(), nullptr);
  for (const Stream& stream : streams({1})) {
    EXPECT_EQ(PinnedBuffer(stream, 0).data(), nullptr);
    PinnedBuffer memory(stream, 4001);
    EXPECT_EQ(memory.bytes(), 4001);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % 64, 0u);
    std::fill_n(memory.as<uint8_t>(), 4001, uint8_t{7});
    PinnedBuffer other = std::move(memory);
    EXPECT_EQ(other.as<uint8_t>()[4000], 7);
    EXPECT_EQ(memory.data(), nullptr);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(memory.bytes(), 0);       // NOLINT(bugprone-use-after-move)
    memory = PinnedBuffer(stream, 64);
    std::swap(memory, other);
    EXPECT_EQ(memory.bytes(), 4001);
    EXPECT_EQ(memory.as<uint8_t>()[0], 7);
  }
}

// There, through a kernel, and back, without a wait between them.
TEST(Pinned, CopiesAreInTheStreamsOrder) {
  for (const Stream& stream : streams({2})) {
    for (const int64_t n : kOddSizes) {
      const int64_t bytes = n * static_cast<int64_t>(sizeof(float));
      const PinnedBuffer in(stream, bytes), out(stream, bytes);
      const auto values = random_values<float>(n, 1);
      std::copy(values.begin(), values.end(), in.as<float>());
      Placed<float> x(stream, n);
      copy_to_device_async(stream, x.data(), in.data(), bytes);
      map<float>(stream, Add<float>{}, n, {x.data(), x.data()}, {x.data()});
      copy_to_host_async(stream, out.data(), x.data(), bytes);
      stream.synchronize();
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(out.as<float>()[i], 2 * values[i]) << name(stream);
      EXPECT_TRUE(x.intact());
    }
  }
}

}  // namespace
}  // namespace basin::test
