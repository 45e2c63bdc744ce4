// Host memory as the emulated device sees it: pinned memory is read and written when a copy runs,
// pageable memory at the call; and how much device memory is free.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "kernels/pinned.h"
#include "tests/kernels/emulated/fixture.cuh"

namespace basin::test {
namespace {

using emulated::Counts;
using emulated::Settings;
using testing::HasSubstr;

class EmulatedHostMemory : public Emulated {
 protected:
  static void copy(const Stream& stream, void* to, const void* from, cudaMemcpyKind kind) {
    BASIN_CUDA_CALL(cudaMemcpyAsync(to, from, sizeof(int32_t), kind, raw(stream)));
  }
};
using EmulatedHostMemoryDeathTest = EmulatedHostMemory;

TEST_F(EmulatedHostMemory, PinnedMemoryIsReadWhenTheCopyRuns) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const PinnedBuffer in(stream, sizeof(int32_t));
  *in.as<int32_t>() = 1;
  copy_to_device_async(stream, x.data(), in.data(), in.bytes());
  *in.as<int32_t>() = 2;
  EXPECT_EQ(values<int32_t>(stream, x)[0], 2) << "the host was too early";
}

TEST_F(EmulatedHostMemory, PageableMemoryIsReadAtTheCall) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  int32_t in = 1;
  const Counts before = emulated::counts();
  copy(stream, x.data(), &in, cudaMemcpyHostToDevice);
  in = 2;
  EXPECT_EQ(emulated::counts() - before, Counts{.others = 1}) << "no wait";
  EXPECT_EQ(values<int32_t>(stream, x)[0], 1);
}

TEST_F(EmulatedHostMemory, ACopyToPageableMemoryWaits) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const PinnedBuffer pinned(stream, sizeof(int32_t));
  int32_t pageable = *pinned.as<int32_t>() = -1;
  poke(stream, x, 5);
  Counts before = emulated::counts();
  copy(stream, pinned.data(), x.data(), cudaMemcpyDeviceToHost);
  EXPECT_EQ(emulated::counts() - before, Counts{.others = 1});
  EXPECT_EQ(*pinned.as<int32_t>(), -1) << "read before the wait: stale";
  before = emulated::counts();
  copy(stream, &pageable, x.data(), cudaMemcpyDeviceToHost);
  EXPECT_EQ(emulated::counts() - before, (Counts{.others = 1, .waits = 1}));
  EXPECT_EQ(pageable, 5);
  EXPECT_EQ(*pinned.as<int32_t>(), 5);
}

TEST_F(EmulatedHostMemory, FreshPinnedMemoryIsNan) {
  const Stream stream = Stream::cuda(0);
  const PinnedBuffer x(stream, 1001 * sizeof(float));
  for (int i = 0; i < 1001; ++i) EXPECT_TRUE(std::isnan(x.as<float>()[i]));
}

TEST_F(EmulatedHostMemory, AKernelReachesIt) {
  const Stream stream = Stream::cuda(0);
  const PinnedBuffer x(stream, 2 * sizeof(int32_t));
  cuda::launch<Poke<int32_t>>(stream, "poke", {1, 32}, x.as<int32_t>(), int64_t{1}, 5);
  stream.synchronize();
  EXPECT_EQ(x.as<int32_t>()[1], 5);
}

// Under AddressSanitizer the sentinels are redzones, and the write itself is the end.
TEST_F(EmulatedHostMemoryDeathTest, TheHostsWritesPastItAreSeen) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const PinnedBuffer pinned(stream, 40);
  const auto write = [&] { pinned.as<volatile float>()[10] = 1; };
#ifdef __SANITIZE_ADDRESS__
  EXPECT_DEATH(write(), "use-after-poison");
#else
  write();
  poke(stream, x, 1);
  EXPECT_THAT(error_of([&] { stream.synchronize(); }),
              HasSubstr("poke: before it, the host wrote behind a pinned buffer of 40 bytes"));
#endif
}

TEST_F(EmulatedHostMemoryDeathTest, AKernelsWritesPastItAreSeen) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Stream stream = Stream::cuda(0);
  const PinnedBuffer pinned(stream, 40);
  const auto write = [&] {
    cuda::launch<Poke<float>>(stream, "past", {1, 32}, pinned.as<float>(), int64_t{10}, 1.0f);
    stream.synchronize();
  };
#ifdef __SANITIZE_ADDRESS__
  EXPECT_DEATH(write(), "use-after-poison");
#else
  EXPECT_THAT(error_of(write), HasSubstr("past: wrote behind a pinned buffer of 40 bytes"));
#endif
}

TEST_F(EmulatedHostMemory, ACopyPastItIsRefused) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const PinnedBuffer pinned(stream, sizeof(int32_t));
  EXPECT_THAT(error_of([&] { copy(stream, x.data(), pinned.data() + 1, cudaMemcpyHostToDevice); }),
              HasSubstr("source, 4 bytes: byte 1 of a pinned buffer of 4 bytes"));
  EXPECT_THAT(error_of([&] { copy(stream, pinned.data(), x.data(), cudaMemcpyHostToDevice); }),
              HasSubstr("destination, 4 bytes: host memory"));
}

TEST_F(EmulatedHostMemory, ItHasToOutliveItsCopies) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  std::optional<PinnedBuffer> in(std::in_place, stream, sizeof(int32_t));
  copy_to_device_async(stream, x.data(), in->data(), in->bytes());
  in.reset();
  EXPECT_THAT(error_of([&] { stream.synchronize(); }),
              HasSubstr("source, 4 bytes: byte 0 of a freed pinned buffer of 4 bytes "
                        "(cudaErrorIllegalAddress)"));
}

TEST_F(EmulatedHostMemoryDeathTest, TheHostCannotTouchWhatIsFreed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Stream stream = Stream::cuda(0);
  const volatile float* p = PinnedBuffer(stream, 40).as<float>();
  EXPECT_DEATH(static_cast<void>(p[2]),
               "the host touched pinned memory: byte 8 of a freed pinned buffer of 40 bytes");
}

TEST_F(EmulatedHostMemory, ItIsFreedOnceAndByItsOwnCall) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  void* data = nullptr;
  EXPECT_EQ(cudaHostAlloc(&data, 64, cudaHostAllocWriteCombined), cudaErrorInvalidValue);
  BASIN_CUDA_CALL((cudaGetLastError(), cudaHostAlloc(&data, 64, cudaHostAllocDefault)));
  EXPECT_EQ(cudaFree(data), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFreeHost(x.data()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFreeHost(data), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(data), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFreeHost(nullptr), cudaSuccess);
  cudaGetLastError();
}

TEST_F(EmulatedHostMemory, AllocationFailsOnDemand) {
  Settings settings;
  settings.fail_call = "cudaHostAlloc";
  settings.fail_at = 1;
  fresh(settings);
  const Stream stream = Stream::cuda(0);
  EXPECT_THAT(error_of([&] { PinnedBuffer(stream, 64); }),
              HasSubstr("out of memory: asked for: call 1 fails"));
}

TEST_F(EmulatedHostMemory, DeviceMemoryIsToldAndPinnedMemoryIsNotOfIt) {
  Settings settings;
  settings.memory = 1000;
  fresh(settings);
  const Stream stream = Stream::cuda(0);
  const auto free = [&] { return device_memory(stream).free; };
  EXPECT_EQ(device_memory(stream).total, 1000);
  EXPECT_EQ(free(), 1000);
  const PinnedBuffer pinned(stream, 5000);
  {
    const Buffer x(stream, 600);
    EXPECT_EQ(free(), 400);
  }
  EXPECT_EQ(free(), 1000);
}

}  // namespace
}  // namespace basin::test
