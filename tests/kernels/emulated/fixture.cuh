// A fresh emulated device for each test, and what the tests share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/buffer.h"
#include "kernels/emulated/device.h"
#include "kernels/error.h"
#include "kernels/launch.cuh"
#include "tests/kernels/emulated/bodies.h"

namespace basin::test {

class Emulated : public testing::Test {
 protected:
  void SetUp() override { fresh({}); }
  void TearDown() override { emulated::reset_device({}); }

  static void fresh(const emulated::Settings& settings) { emulated::reset_device(settings); }
  static void fresh_with_seed(uint64_t seed) {
    emulated::Settings settings;
    settings.seed = seed;
    fresh(settings);
  }

  static cudaStream_t raw(const Stream& stream) { return stream.cuda_stream().stream; }
  static cudaEvent_t open_event() {
    cudaEvent_t event = nullptr;
    BASIN_CUDA_CALL(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    return event;
  }
  // x[0] = value.
  static void poke(const Stream& stream, const Buffer& x, int32_t value) {
    cuda::launch<Poke<int32_t>>(stream, "poke", {1, 32}, at<int32_t>(x), int64_t{0}, value);
  }
  template <class T>
  static T* at(const Buffer& buffer) {
    return reinterpret_cast<T*>(buffer.data());
  }
  template <class T>
  static Buffer make(const Stream& stream, int64_t n) {
    return Buffer(stream, n * static_cast<int64_t>(sizeof(T)));
  }
  template <class T>
  static std::vector<T> values(const Stream& stream, const Buffer& buffer) {
    std::vector<T> all(static_cast<size_t>(buffer.bytes()) / sizeof(T));
    copy_to_host(stream, all.data(), buffer.data(), buffer.bytes());
    return all;
  }
  // The line of the Error(Run) that `action` throws.
  template <class Action>
  static std::string error_of(const Action& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Run) << error.what();
      EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("\n")));
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }
  // Runs `work` on a fresh device again and again: its first call fails, then its second, …, until
  // a run, fewer than `most`, makes no more calls. look(line) follows each: the one line of the
  // Error, empty where there was none. Returns how many runs there were.
  template <class Work, class Look>
  static int fail_each_call(int most, const Work& work, const Look& look) {
    int runs = 0;
    for (std::string line = "none yet"; !line.empty();) {
      if (runs == most) {
        ADD_FAILURE() << "found " << runs << " runs, expected fewer";
        break;
      }
      emulated::Settings settings;
      settings.fail_at = ++runs;
      fresh(settings);
      line.clear();
      try {
        work();
      } catch (const Error& error) {
        line = error.what();
        EXPECT_NE(line, "");
        EXPECT_THAT(line, testing::Not(testing::HasSubstr("\n")));
      }
      look(line);
    }
    return runs;
  }
  // The line, as above, of a launch of Body and the wait for it.
  template <class Body, class... Params>
  static std::string fault_of(int threads, Params... params) {
    const Stream stream = Stream::cuda(0);
    return error_of([&] {
      cuda::launch<Body>(stream, "planted", {1, threads}, params...);
      stream.synchronize();
    });
  }
};

}  // namespace basin::test
