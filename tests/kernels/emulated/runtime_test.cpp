// The runtime's functions by themselves: lazy streams, events, kinds of copies, handles, errors
// that stick, and faults on demand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "kernels/pinned.h"
#include "tests/kernels/emulated/fixture.cuh"

namespace basin::test {
namespace {

using emulated::Settings;
using testing::HasSubstr;
using testing::StartsWith;

using EmulatedRuntime = Emulated;

TEST_F(EmulatedRuntime, NothingRunsUntilSomethingWaits) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const PinnedBuffer memory(stream, sizeof(int32_t));
  int32_t& found = *memory.as<int32_t>() = -1;
  poke(stream, x, 5);
  copy_to_host_async(stream, &found, x.data(), x.bytes());
  EXPECT_EQ(found, -1) << "read before the wait: stale";
  stream.synchronize();
  EXPECT_EQ(found, 5);
}

// With an event between them, two streams have one order; without, they have not.
TEST_F(EmulatedRuntime, StreamsRunInAnyOrderThatEventsAllow) {
  for (const bool ordered : {false, true}) {
    std::set<int32_t> found;
    for (uint64_t seed = 1; seed <= 16; ++seed) {
      fresh_with_seed(seed);
      const Stream first = Stream::cuda(0), second = Stream::cuda(0);
      const Buffer x = make<int32_t>(first, 1);
      const cudaEvent_t event = open_event();
      poke(first, x, 1);
      BASIN_CUDA_CALL(cudaEventRecord(event, raw(first)));
      if (ordered) BASIN_CUDA_CALL(cudaStreamWaitEvent(raw(second), event, 0));
      poke(second, x, 2);
      second.synchronize();
      first.synchronize();
      found.insert(values<int32_t>(first, x)[0]);
      BASIN_CUDA_CALL(cudaEventDestroy(event));
    }
    EXPECT_EQ(found, ordered ? std::set<int32_t>{2} : (std::set<int32_t>{1, 2}));
  }
}

TEST_F(EmulatedRuntime, AnEventIsWaitedForWhereItWasRecorded) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const cudaEvent_t event = open_event();
  EXPECT_EQ(cudaEventSynchronize(event), cudaSuccess) << "never recorded: nothing to wait for";
  const PinnedBuffer memory(stream, sizeof(int32_t));
  const int32_t& found = *memory.as<int32_t>();
  poke(stream, x, 1);
  copy_to_host_async(stream, memory.data(), x.data(), x.bytes());
  BASIN_CUDA_CALL(cudaEventRecord(event, raw(stream)));
  poke(stream, x, 2);
  BASIN_CUDA_CALL(cudaEventSynchronize(event));
  EXPECT_EQ(found, 1);
  EXPECT_EQ(values<int32_t>(stream, x)[0], 2);
  BASIN_CUDA_CALL(cudaEventDestroy(event));
  EXPECT_EQ(cudaEventSynchronize(event), cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

// A question does not wait, but time passes: asking again and again comes to an end.
TEST_F(EmulatedRuntime, AnEventThatIsAskedForIsReadyInTime) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const cudaEvent_t event = open_event();
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess) << "never recorded";
  int not_ready = 0;
  for (int k = 0; k < 10; ++k) {
    poke(stream, x, k);
    BASIN_CUDA_CALL(cudaEventRecord(event, raw(stream)));
    cudaError_t status = cudaEventQuery(event);
    for (; status == cudaErrorNotReady; status = cudaEventQuery(event)) {
      EXPECT_EQ(cudaGetLastError(), cudaErrorNotReady) << "as the runtime keeps it";
      ASSERT_LT(++not_ready, 1000);
    }
    EXPECT_EQ(status, cudaSuccess);
  }
  EXPECT_GT(not_ready, 10);
  BASIN_CUDA_CALL(cudaEventDestroy(event));
}

TEST_F(EmulatedRuntime, CopiesOfTheWrongKindOrPlaceAreRefused) {
  const Stream stream = Stream::cuda(0);
  const Buffer x(stream, 64);
  std::byte host[64];
  const auto copy = [&](void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    return error_of([&] { BASIN_CUDA_CALL(cudaMemcpyAsync(to, from, bytes, kind, raw(stream))); });
  };
  EXPECT_THAT(copy(host, x.data(), 64, cudaMemcpyHostToDevice),
              HasSubstr("destination, 64 bytes: host memory"));
  EXPECT_THAT(copy(x.data(), x.data(), 64, cudaMemcpyHostToDevice),
              HasSubstr("source, 64 bytes: expected host memory, found byte 0 of a buffer"));
  EXPECT_THAT(copy(host, x.data() + 1, 64, cudaMemcpyDeviceToHost),
              HasSubstr("source, 64 bytes: byte 1 of a buffer of 64 bytes"));
  EXPECT_THAT(copy(host, host, 64, cudaMemcpyHostToHost), HasSubstr("not emulated"));
  EXPECT_EQ(cudaMemsetAsync(host, 0, 64, raw(stream)), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(x.data(), 0, 64, nullptr), cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

TEST_F(EmulatedRuntime, WhatIsFreedIsFreedOnceAndAfterItsLastUse) {
  const Stream stream = Stream::cuda(0);
  void* data = nullptr;
  BASIN_CUDA_CALL(cudaMalloc(&data, 64));
  BASIN_CUDA_CALL(cudaMemsetAsync(data, 0, 64, raw(stream)));
  EXPECT_EQ(cudaFree(data), cudaSuccess) << "it waits for what was put on the streams";
  EXPECT_THAT(error_of([&] { BASIN_CUDA_CALL(cudaFree(data)); }),
              HasSubstr("byte 0 of a freed buffer of 64 bytes"));
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

TEST_F(EmulatedRuntime, DevicesAndStreamsThatAreNotThereAreRefused) {
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "it is taken once";
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamDefault), cudaErrorInvalidValue);
  BASIN_CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  BASIN_CUDA_CALL(cudaStreamDestroy(stream));
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
  EXPECT_STREQ(cudaGetErrorName(cudaErrorInvalidResourceHandle), "cudaErrorInvalidResourceHandle");
  cudaGetLastError();
}

TEST_F(EmulatedRuntime, AFaultOfAKernelComesWithTheNextWaitAndStays) {
  Settings settings;
  settings.fault_at = 2;
  fresh(settings);
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  poke(stream, x, 1);
  stream.synchronize();
  poke(stream, x, 2);
  poke(stream, x, 3);
  EXPECT_THAT(error_of([&] { stream.synchronize(); }),
              HasSubstr("unspecified launch failure: poke: asked for: kernel 2 faults"));
  EXPECT_THAT(error_of([&] { Buffer(stream, 64); }), HasSubstr("unspecified launch failure"));
  EXPECT_THAT(error_of([&] { poke(stream, x, 4); }), HasSubstr("unspecified launch failure"));
}

// Each call of a small run fails once; each time there is one line, and the next run is whole.
TEST_F(EmulatedRuntime, EveryCallCanFail) {
  const auto work = [] {
    const Stream stream = Stream::cuda(0);
    const Buffer x = make<int32_t>(stream, 1);
    zero(stream, x.data(), x.bytes());
    poke(stream, x, 7);
    EXPECT_EQ(values<int32_t>(stream, x)[0], 7);
  };
  const auto look = [](const std::string& line) {
    EXPECT_THAT(line, testing::AnyOf("", StartsWith("[cu"), StartsWith("--device cuda: ")));
  };
  EXPECT_GT(fail_each_call(100, work, look), 10);
}

TEST_F(EmulatedRuntime, TheNthCallOfOneFunctionFails) {
  Settings settings;
  settings.fail_call = "cudaMalloc";
  settings.fail_at = 2;
  fresh(settings);
  const Stream stream = Stream::cuda(0);
  const Buffer first(stream, 64);
  EXPECT_THAT(error_of([&] { Buffer(stream, 64); }),
              HasSubstr("out of memory: asked for: call 2 fails"));
  const Buffer third(stream, 64);
}

TEST_F(EmulatedRuntime, TheEnvironmentAsksInOneWay) {
  const auto with = [](const char* name, const char* value) {
    setenv(name, value, 1);
    Settings settings;
    std::string message;
    try {
      settings = Settings::from_environment();
    } catch (const Error& error) {
      message = error.what();
    }
    unsetenv(name);
    return std::pair(settings, message);
  };
  EXPECT_EQ(with("BASIN_EMULATED_SEED", "17").first.seed, 17u);
  EXPECT_EQ(with("BASIN_EMULATED_MEMORY", "4096").first.memory, 4096);
  EXPECT_EQ(with("BASIN_EMULATED_FAULT", "3").first.fault_at, 3);
  const Settings one = with("BASIN_EMULATED_FAIL", "cudaMalloc:3").first;
  EXPECT_EQ(one.fail_call, "cudaMalloc");
  EXPECT_EQ(one.fail_at, 3);
  EXPECT_EQ(with("BASIN_EMULATED_FAIL", "9").first.fail_at, 9);
  EXPECT_EQ(with("BASIN_EMULATED_SEED", "one").second,
            "BASIN_EMULATED_SEED: found 'one', expected a whole number of 0 or more");
}

}  // namespace
}  // namespace basin::test
