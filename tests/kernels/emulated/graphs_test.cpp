// Captures and graphs of the emulated device: what is recorded and what is not, what a capture
// forbids, the orders that a graph allows, faults in one, and what the host is counted to have
// done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <thread>

#include "kernels/event.h"
#include "kernels/graph.h"
#include "kernels/pinned.h"
#include "tests/kernels/emulated/fixture.cuh"

namespace basin::test {
namespace {

using emulated::Counts;
using emulated::Settings;
using testing::HasSubstr;

class EmulatedGraphs : public Emulated {
 protected:
  static void begin(const Stream& stream) {
    BASIN_CUDA_CALL(cudaStreamBeginCapture(raw(stream), cudaStreamCaptureModeThreadLocal));
  }
  static cudaError_t end(const Stream& stream) {
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(raw(stream), &graph);
    EXPECT_EQ(graph == nullptr, status != cudaSuccess);
    return status;
  }
  static cudaStreamCaptureStatus status_of(const Stream& stream) {
    cudaStreamCaptureStatus status{};
    BASIN_CUDA_CALL(cudaStreamIsCapturing(raw(stream), &status));
    return status;
  }
  static void increment(const Stream& stream, const Buffer& x) {
    cuda::launch<Increment>(stream, "increment", {1, 32}, at<int32_t>(x));
  }
  static void copy(const Stream& stream, const Buffer& to, const Buffer& from) {
    BASIN_CUDA_CALL(
        cudaMemcpyAsync(to.data(), from.data(), to.bytes(), cudaMemcpyDeviceToDevice, raw(stream)));
  }
  static void fork(Event& event, const Stream& from, const Stream& to) {
    event.record(from);
    event.make_wait(to);
  }
};
using EmulatedGraphsDeathTest = EmulatedGraphs;

TEST_F(EmulatedGraphs, AKernelKeepsItsParametersAndNotItsMemory) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1), y = make<int32_t>(stream, 1);
  int32_t parameter = 5;
  const Graph graph = Graph::capture(stream, [&] {
    poke(stream, x, parameter);
    copy(stream, y, x);
    increment(stream, y);
  });
  parameter = 6;
  poke(stream, x, 7);
  poke(stream, y, 8);
  EXPECT_EQ(values<int32_t>(stream, y)[0], 8) << "nothing of the capture has run";
  graph.launch(stream);
  EXPECT_EQ(values<int32_t>(stream, x)[0], 5);
  EXPECT_EQ(values<int32_t>(stream, y)[0], 6);
}

TEST_F(EmulatedGraphs, ALaunchIsLazyToo) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const PinnedBuffer out(stream, sizeof(int32_t));
  *out.as<int32_t>() = -1;
  const Graph graph = Graph::capture(stream, [&] {
    poke(stream, x, 5);
    copy_to_host_async(stream, out.data(), x.data(), x.bytes());
  });
  graph.launch(stream);
  EXPECT_EQ(*out.as<int32_t>(), -1);
  stream.synchronize();
  EXPECT_EQ(*out.as<int32_t>(), 5);
}

TEST_F(EmulatedGraphs, ACaptureHasAStatus) {
  const Stream stream = Stream::cuda(0);
  EXPECT_EQ(status_of(stream), cudaStreamCaptureStatusNone);
  EXPECT_EQ(end(stream), cudaErrorIllegalState);
  begin(stream);
  EXPECT_EQ(status_of(stream), cudaStreamCaptureStatusActive);
  EXPECT_EQ(cudaStreamBeginCapture(raw(stream), cudaStreamCaptureModeThreadLocal),
            cudaErrorIllegalState);
  EXPECT_EQ(cudaStreamSynchronize(raw(stream)), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(status_of(stream), cudaStreamCaptureStatusInvalidated);
  EXPECT_EQ(end(stream), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(status_of(stream), cudaStreamCaptureStatusNone);
  begin(stream);
  EXPECT_EQ(end(stream), cudaSuccess) << "an empty graph is one";
  cudaGetLastError();
}

// Each forbidden call fails, invalidates the capture, and leaves a stream that works.
TEST_F(EmulatedGraphs, ForbiddenCallsInvalidateTheCapture) {
  const Stream stream = Stream::cuda(0), other = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const PinnedBuffer pinned(stream, 64);
  const cudaEvent_t event = open_event();
  int32_t value = 3;
  void* data = nullptr;
  const std::vector<std::function<cudaError_t()>> calls = {
      [&] { return cudaMalloc(&data, 64); },
      [&] { return cudaFree(x.data()); },
      [&] { return cudaHostAlloc(&data, 64, cudaHostAllocDefault); },
      [&] { return cudaFreeHost(pinned.data()); },
      [&] { return cudaStreamSynchronize(raw(stream)); },
      [&] { return cudaStreamSynchronize(raw(other)); },
      [&] { return cudaEventSynchronize(event); },
      [&] { return cudaEventQuery(event); },
      [&] { return cudaStreamDestroy(raw(stream)); },
      [&] { return cudaMemcpyAsync(x.data(), &value, 4, cudaMemcpyHostToDevice, raw(stream)); },
      [&] { return cudaMemcpyAsync(&value, x.data(), 4, cudaMemcpyDeviceToHost, raw(stream)); },
  };
  for (const auto& forbidden : calls) {
    begin(stream);
    poke(stream, x, 1);
    EXPECT_EQ(forbidden(), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaMemsetAsync(x.data(), 0, 4, raw(stream)), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(end(stream), cudaErrorStreamCaptureInvalidated);
    cudaGetLastError();
    poke(stream, x, 2);
    EXPECT_EQ(values<int32_t>(stream, x)[0], 2);
  }
  EXPECT_EQ(value, 3);
  BASIN_CUDA_CALL(cudaEventDestroy(event));
}

TEST_F(EmulatedGraphs, OtherThreadsGoOnAsEver) {
  const Stream stream = Stream::cuda(0), other = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  begin(stream);
  poke(stream, x, 1);
  std::thread([&] {
    const Buffer y = make<int32_t>(other, 1);
    poke(other, y, 2);
    other.synchronize();
    EXPECT_EQ(values<int32_t>(other, y)[0], 2);
    EXPECT_EQ(end(stream), cudaErrorStreamCaptureWrongThread);
  }).join();
  EXPECT_EQ(end(stream), cudaSuccess);
}

// Two branches have no order; behind the join there is one.
TEST_F(EmulatedGraphs, BranchesRunInAnyOrder) {
  std::set<std::pair<int32_t, int32_t>> found;
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    fresh_with_seed(seed);
    const Stream stream = Stream::cuda(0), other = Stream::cuda(0);
    const Buffer x = make<int32_t>(stream, 1), y = make<int32_t>(stream, 1);
    Event forked(stream), joined(stream);
    const Graph graph = Graph::capture(stream, [&] {
      fork(forked, stream, other);
      poke(stream, x, 1);
      poke(other, x, 2);
      fork(joined, other, stream);
      copy(stream, y, x);
      increment(stream, y);
    });
    EXPECT_EQ(graph.nodes(), 4);
    graph.launch(stream);
    found.emplace(values<int32_t>(stream, x)[0], values<int32_t>(stream, y)[0]);
  }
  EXPECT_EQ(found, (std::set<std::pair<int32_t, int32_t>>{{1, 2}, {2, 3}}));
}

// Other streams run between a graph's nodes, but the next launch of the same graph does not.
TEST_F(EmulatedGraphs, LaunchesOfOneGraphDoNotOverlap) {
  for (const bool same : {true, false}) {
    std::set<int32_t> found;
    for (uint64_t seed = 1; seed <= 16; ++seed) {
      fresh_with_seed(seed);
      const Stream first = Stream::cuda(0), second = Stream::cuda(0);
      const Buffer x = make<int32_t>(first, 1), y = make<int32_t>(first, 1);
      const auto through_y = [&] {  // ++x, which is lost where another begins in the midst of it
        copy(first, y, x);
        increment(first, y);
        copy(first, x, y);
      };
      const Graph graph = Graph::capture(first, through_y), twin = Graph::capture(first, through_y);
      poke(first, x, 0);
      first.synchronize();
      graph.launch(first);
      (same ? graph : twin).launch(second);
      first.synchronize();
      second.synchronize();
      found.insert(values<int32_t>(first, x)[0]);
    }
    if (same) {
      EXPECT_EQ(found, std::set<int32_t>{2});
    } else {
      EXPECT_GT(found.size(), 1u);
    }
  }
}

TEST_F(EmulatedGraphs, AForkHasToBeJoined) {
  const Stream stream = Stream::cuda(0), other = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  Event event(stream);
  begin(stream);
  fork(event, stream, other);
  EXPECT_EQ(status_of(other), cudaStreamCaptureStatusActive);
  poke(other, x, 1);
  poke(stream, x, 2);
  EXPECT_EQ(end(stream), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(status_of(other), cudaStreamCaptureStatusNone);

  begin(stream);
  fork(event, stream, other);
  EXPECT_EQ(end(other), cudaErrorStreamCaptureUnmatched);
  EXPECT_EQ(end(stream), cudaErrorStreamCaptureInvalidated);
  cudaGetLastError();
  poke(other, x, 3);
  EXPECT_EQ(values<int32_t>(other, x)[0], 3);
}

TEST_F(EmulatedGraphs, EventsDoNotCrossACapturesBorder) {
  const Stream stream = Stream::cuda(0), other = Stream::cuda(0);
  const cudaEvent_t event = open_event(), inner = open_event();
  begin(stream);
  EXPECT_EQ(cudaStreamWaitEvent(raw(stream), event, 0), cudaSuccess) << "never recorded";
  BASIN_CUDA_CALL(cudaEventRecord(event, raw(other)));
  EXPECT_EQ(cudaStreamWaitEvent(raw(stream), event, 0), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(end(stream), cudaErrorStreamCaptureInvalidated);

  begin(stream);
  BASIN_CUDA_CALL(cudaEventRecord(inner, raw(stream)));
  std::thread([&] { EXPECT_EQ(cudaEventSynchronize(inner), cudaErrorCapturedEvent); }).join();
  EXPECT_EQ(end(stream), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaEventQuery(inner), cudaErrorCapturedEvent) << "its capture is over";
  EXPECT_EQ(cudaStreamWaitEvent(raw(other), inner, 0), cudaErrorCapturedEvent);
  BASIN_CUDA_CALL((cudaGetLastError(), cudaEventRecord(inner, raw(other))));
  EXPECT_EQ(cudaEventSynchronize(inner), cudaSuccess);

  begin(stream);
  begin(other);
  BASIN_CUDA_CALL(cudaEventRecord(inner, raw(stream)));
  EXPECT_EQ(cudaStreamWaitEvent(raw(other), inner, 0), cudaErrorStreamCaptureMerge);
  EXPECT_EQ(end(stream), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(end(other), cudaErrorStreamCaptureInvalidated);
  cudaGetLastError();
  BASIN_CUDA_CALL(cudaEventDestroy(event));
  BASIN_CUDA_CALL(cudaEventDestroy(inner));
}

TEST_F(EmulatedGraphs, AFaultInsideALaunchComesWithTheWait) {
  Settings settings;
  settings.fault_at = 4;
  fresh(settings);
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  const Graph graph = Graph::capture(stream, [&] {
    poke(stream, x, 1);
    increment(stream, x);
  });
  graph.launch(stream);
  stream.synchronize();
  graph.launch(stream);
  EXPECT_THAT(error_of([&] { stream.synchronize(); }),
              HasSubstr("unspecified launch failure: increment: asked for: kernel 4 faults"));
  EXPECT_THAT(error_of([&] { graph.launch(stream); }), HasSubstr("unspecified launch failure"));
}

TEST_F(EmulatedGraphs, ACopyOfFreedMemoryFaultsWhenItRuns) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  std::optional<Buffer> y = make<int32_t>(stream, 1);
  const Graph graph = Graph::capture(stream, [&] { copy(stream, x, *y); });
  y.reset();
  graph.launch(stream);
  EXPECT_THAT(error_of([&] { stream.synchronize(); }),
              HasSubstr("cudaMemcpyAsync: source, 4 bytes: byte 0 of a freed buffer of 4 bytes "
                        "(cudaErrorIllegalAddress)"));
}

TEST_F(EmulatedGraphsDeathTest, AKernelOnFreedMemoryFaultsWhenItRuns) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Stream stream = Stream::cuda(0);
  std::optional<Buffer> x = make<int32_t>(stream, 1);
  const Graph graph = Graph::capture(stream, [&] { poke(stream, *x, 1); });
  x.reset();
  graph.launch(stream);
  EXPECT_DEATH(stream.synchronize(), "kernel poke: an access to byte 0 of a freed buffer");
}

TEST_F(EmulatedGraphs, HandlesThatAreNotThereAreRefused) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  begin(stream);
  poke(stream, x, 1);
  BASIN_CUDA_CALL(cudaStreamEndCapture(raw(stream), &graph));
  BASIN_CUDA_CALL(cudaGraphInstantiate(&executable, graph, 0));
  BASIN_CUDA_CALL(cudaGraphDestroy(graph));
  EXPECT_EQ(cudaGraphDestroy(graph), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaErrorInvalidResourceHandle);
  BASIN_CUDA_CALL((cudaGetLastError(), cudaGraphLaunch(executable, raw(stream))));
  BASIN_CUDA_CALL(cudaGraphExecDestroy(executable));
  EXPECT_EQ(values<int32_t>(stream, x)[0], 1) << "what was launched still runs";
  EXPECT_EQ(cudaGraphLaunch(executable, raw(stream)), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

TEST_F(EmulatedGraphs, WhatTheHostDoesIsCounted) {
  const Stream stream = Stream::cuda(0);
  const Buffer x = make<int32_t>(stream, 1);
  Counts before = emulated::counts();
  const auto since = [&] { return emulated::counts() - std::exchange(before, emulated::counts()); };
  const Graph graph = Graph::capture(stream, [&] {
    poke(stream, x, 1);
    copy(stream, x, x);
  });
  EXPECT_EQ(since(), Counts{.captures = 1});
  graph.launch(stream);
  EXPECT_EQ(since(), Counts{.graphs = 1}) << "one launch, and no wait";
  poke(stream, x, 1);
  zero(stream, x.data(), x.bytes());
  EXPECT_EQ(since(), (Counts{.kernels = 1, .others = 1}));
  stream.synchronize();
  Event event(stream);
  event.record(stream);
  event.wait();
  EXPECT_EQ(since(), Counts{.waits = 2});
  { const Buffer y(stream, 64); }
  EXPECT_EQ(since(), (Counts{.waits = 1, .allocations = 1})) << "a free waits";
  { const PinnedBuffer pinned(stream, 64); }
  EXPECT_EQ(since(), Counts{.allocations = 1});
}

// Each call of a small run fails once; each time there is one line.
TEST_F(EmulatedGraphs, EveryCallCanFail) {
  const auto work = [] {
    const Stream stream = Stream::cuda(0), other = Stream::cuda(0);
    const Buffer x = make<int32_t>(stream, 1);
    const PinnedBuffer out(stream, sizeof(int32_t));
    Event forked(stream), joined(stream);
    const Graph graph = Graph::capture(stream, [&] {
      poke(stream, x, 7);
      fork(forked, stream, other);
      increment(other, x);
      fork(joined, other, stream);
      copy_to_host_async(stream, out.data(), x.data(), x.bytes());
    });
    graph.launch(stream);
    Event done(stream);
    done.record(stream);
    while (!done.done()) {
    }
    done.wait();
    EXPECT_EQ(*out.as<int32_t>(), 8);
  };
  EXPECT_GT(fail_each_call(200, work, [](const std::string&) {}), 30);
}

}  // namespace
}  // namespace basin::test
