// Device memory: out of the host's reach, poisoned, between sentinels, gone when it is freed.
#include "kernels/emulated/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/emulated/fixture.cuh"

namespace basin::test {
namespace {

using testing::HasSubstr;

class EmulatedMemory : public Emulated {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    Emulated::SetUp();
  }
  // To be the end of a process; the test's own never runs it.
  template <class Body, class... Params>
  static void run(const Stream& stream, const char* name, Params... params) {
    cuda::launch<Body>(stream, name, {1, 32}, params...);
    stream.synchronize();
  }
};
using EmulatedMemoryDeathTest = EmulatedMemory;

TEST_F(EmulatedMemory, FreshMemoryIsNan) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<float>(stream, 1001);
  for (const float value : values<float>(stream, x)) EXPECT_TRUE(std::isnan(value));
}

TEST_F(EmulatedMemoryDeathTest, TheHostCannotTouchIt) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<float>(stream, 10);
  zero(stream, x.data(), x.bytes());
  stream.synchronize();
  volatile float* p = at<float>(x);
  EXPECT_DEATH(static_cast<void>(p[2]),
               "the host touched device memory: byte 8 of a buffer of 40 bytes");
  EXPECT_DEATH(p[0] = 1, "the host touched device memory");
}

TEST_F(EmulatedMemoryDeathTest, AKernelCannotTouchWhatIsFreed) {
  const Stream stream = Stream::cuda(0);
  float* p = nullptr;
  {
    const Buffer x = make<float>(stream, 10);
    p = at<float>(x);
  }
  EXPECT_DEATH(run<Poke<float>>(stream, "late", p, int64_t{3}, 1.0f),
               "kernel late: an access to byte 12 of a freed buffer of 40 bytes");
}

TEST_F(EmulatedMemoryDeathTest, AKernelCannotReachThePageBehind) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<float>(stream, 1024);
  EXPECT_DEATH(run<Poke<float>>(stream, "far", at<float>(x), int64_t{1024}, 1.0f),
               "kernel far: an access to byte 4096 of a buffer of 4096 bytes");
}

TEST_F(EmulatedMemoryDeathTest, AMisalignedPackIsSeen) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<float>(stream, 10), out = make<float>(stream, 1);
  run<LoadPack>(stream, "aligned", at<float>(x) + 4, at<float>(out));
  EXPECT_DEATH(run<LoadPack>(stream, "skewed", at<float>(x) + 1, at<float>(out)),
               "kernel skewed: a misaligned access|misaligned address");
}

// Under AddressSanitizer the sentinels are redzones, and the write itself is the end.
TEST_F(EmulatedMemoryDeathTest, WritesPastABufferAreSeen) {
  for (const int64_t place : {-1, 10, 63}) {
    fresh({});
    const Stream stream = Stream::cuda(0);
    const Buffer x = make<float>(stream, 10), y = make<float>(stream, 10);
    const auto write = [&] { run<Poke<float>>(stream, "past", at<float>(y), place, 1.0f); };
#ifdef __SANITIZE_ADDRESS__
    EXPECT_DEATH(write(), "use-after-poison");
#else
    EXPECT_THAT(error_of(write), HasSubstr(place < 0 ? "past: wrote before a buffer of 40 bytes"
                                                     : "past: wrote behind a buffer of 40 bytes"));
#endif
  }
}

TEST_F(EmulatedMemory, AHostPointerAsAParameterIsAnError) {
  float on_host = 0;
  EXPECT_THAT(fault_of<Poke<float>>(32, &on_host, int64_t{0}, 1.0f),
              HasSubstr("planted: parameter 1 points to host memory"));
  EXPECT_EQ(on_host, 0);
}

TEST_F(EmulatedMemory, OutOfMemorySaysWhatIsFree) {
  emulated::Settings settings;
  settings.memory = 1000;
  fresh(settings);
  const Stream stream = Stream::cuda(0);
  const Buffer x(stream, 600);
  EXPECT_THAT(error_of([&] { Buffer(stream, 401); }),
              HasSubstr("out of memory: 401 bytes were asked for, 400 are free"));
  const Buffer rest(stream, 400);
}

TEST_F(EmulatedMemory, AnAddressIsNotGivenOutTwice) {
  const Stream stream = Stream::cuda(0);
  const std::byte* first = Buffer(stream, 64).data();
  const std::byte* second = Buffer(stream, 64).data();
  EXPECT_NE(first, second);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(second) % 256, 0u);
}

}  // namespace
}  // namespace basin::test
