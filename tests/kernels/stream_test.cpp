// Streams: what can be opened, and the one line where it cannot.
#include "kernels/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/error.h"
#include "kernels/has_cuda.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

// The message of the Error(Usage) that `action` throws.
template <class Action>
std::string usage_error(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(Stream, ACpuHasThreads) {
  const Stream stream = Stream::cpu(3);
  EXPECT_EQ(stream.kind(), DeviceKind::Cpu);
  EXPECT_FALSE(stream.is_cuda());
  EXPECT_EQ(stream.threads(), 3);
  EXPECT_EQ(stream.device_index(), 0);
  stream.synchronize();
}

TEST(Stream, NoThreadsAreAnError) {
  EXPECT_EQ(usage_error([] { Stream::cpu(0); }), "--threads: found 0, expected 1 or more");
}

TEST(Stream, ACudaDeviceOpensOrSaysInOneLineWhyNot) {
  const int devices = cuda_device_count();
  ASSERT_GE(devices, 0);
  if (devices > 0) {
    const Stream stream = Stream::cuda(0);
    EXPECT_TRUE(stream.is_cuda());
    stream.synchronize();
    EXPECT_THAT(cuda_device_description(0), testing::HasSubstr("compute capability"));
  }
  // The first device that does not exist.
  const std::string message = usage_error([&] { Stream::cuda(devices); });
  EXPECT_THAT(message, testing::StartsWith("--device cuda: "));
  EXPECT_THAT(message, testing::Not(testing::HasSubstr("\n")));
  EXPECT_THAT(cuda_device_description(devices), testing::HasSubstr("no CUDA"));
  if (!kHasCuda) {
    EXPECT_THAT(message, testing::HasSubstr("BASIN_CUDA=ON"));
  }
}

TEST(Stream, ItsDevicesMemoryIsTold) {
  const DeviceMemory cpu = device_memory(Stream::cpu(1));
  EXPECT_EQ(cpu.free, 0);
  EXPECT_EQ(cpu.total, 0);
  for (const Stream& stream : streams({})) {
    const Buffer taken(stream, int64_t{64} << 20);
    const DeviceMemory memory = device_memory(stream);  // others may take and give back meanwhile
    EXPECT_GT(memory.free, 0);
    EXPECT_LE(memory.free, memory.total - taken.bytes());
  }
}

}  // namespace
}  // namespace basin::test
