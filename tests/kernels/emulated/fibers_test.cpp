// Blocks of fibers: barriers and shuffles meet, orders differ from seed to seed, shared memory is
// fresh; a missing barrier shows, and threads that diverge are an error.
#include "kernels/emulated/fibers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/kernels/emulated/fixture.cuh"

namespace basin::test {
namespace {

using testing::HasSubstr;

class EmulatedBlocks : public Emulated {
 protected:
  // What Body writes with this seed, from `blocks` blocks of `threads` threads.
  template <class Body, class T>
  static std::vector<T> run(uint64_t seed, int64_t blocks, int threads, int64_t n) {
    fresh_with_seed(seed);
    const Stream stream = Stream::cuda(0);
    const Buffer out = make<T>(stream, n);
    cuda::launch<Body>(stream, "planted", {blocks, threads}, at<T>(out));
    return values<T>(stream, out);
  }
  template <class Body, class T>
  static std::set<std::vector<T>> results(int64_t blocks, int threads, int64_t n) {
    std::set<std::vector<T>> all;
    for (uint64_t seed = 1; seed <= 8; ++seed) all.insert(run<Body, T>(seed, blocks, threads, n));
    return all;
  }
};

TEST_F(EmulatedBlocks, BarriersAndShufflesMeetUnderEverySeed) {
  for (const int threads : {32, 64, 256, 1024}) {
    const std::vector<int64_t> expected(3 * threads, int64_t{threads} * (threads - 1) / 2);
    const auto found = results<SumOfRanks, int64_t>(3, threads, 3 * threads);
    EXPECT_EQ(found, std::set{expected}) << threads;
  }
}

TEST_F(EmulatedBlocks, AMissingBarrierGivesOtherBytesUnderOtherSeeds) {
  EXPECT_EQ((results<ReadNeighbour<true>, int32_t>(2, 64, 128).size()), 1u);
  EXPECT_GT((results<ReadNeighbour<false>, int32_t>(2, 64, 128).size()), 1u);
}

TEST_F(EmulatedBlocks, OneSeedIsOneOrder) {
  EXPECT_EQ((run<ReadNeighbour<false>, int32_t>(7, 2, 64, 128)),
            (run<ReadNeighbour<false>, int32_t>(7, 2, 64, 128)));
}

TEST_F(EmulatedBlocks, BlocksComeInAnyOrder) {
  EXPECT_GT((results<BlocksRace, int64_t>(5, 32, 1).size()), 1u);
}

TEST_F(EmulatedBlocks, SharedMemoryOfEveryBlockIsPoisoned) {
  for (const double value : run<CopyShared, double>(1, 4, 32, 4)) EXPECT_TRUE(std::isnan(value));
}

TEST_F(EmulatedBlocks, DivergenceIsAnErrorWithTheKernelsName) {
  const std::string half = fault_of<HalfSync>(64);
  EXPECT_THAT(half, HasSubstr("planted: divergent barrier: 32 of 64 threads are at bodies.h:"));
  EXPECT_THAT(half, HasSubstr("32 have ended"));
  fresh({});
  EXPECT_THAT(fault_of<TwoSyncs>(64), HasSubstr("planted: divergent barrier: thread "));
  fresh({});
  EXPECT_THAT(fault_of<HalfShuffle>(64), HasSubstr("planted: divergent shuffle: 8 of 32 threads"));
  fresh({});
  EXPECT_THAT(fault_of<MasksDiffer>(32), HasSubstr("planted: divergent shuffle at bodies.h:"));
}

TEST_F(EmulatedBlocks, TheDeviceGoesOnAfterThreadsWereUnwound) {
  fault_of<HalfSync>(1024);
  EXPECT_EQ((run<SumOfRanks, int64_t>(1, 1, 32, 32)), std::vector<int64_t>(32, 496));
}

TEST_F(EmulatedBlocks, ALaunchThatNoDeviceTakesIsRefused) {
  const Stream stream = Stream::cuda(0);
  const auto refused = [&](int64_t blocks, int threads) {
    return error_of([&] { cuda::launch<HalfSync>(stream, "planted", {blocks, threads}); });
  };
  EXPECT_THAT(refused(0, 32), HasSubstr("planted: invalid configuration argument: a grid of 0"));
  EXPECT_THAT(refused(1, 1056), HasSubstr("a block of 1056 threads"));
  EXPECT_THAT(refused(1, 0), HasSubstr("a block of 0 threads"));
  EXPECT_THAT(refused(1, 48), HasSubstr("a block of 48 threads"));
  EXPECT_THAT(error_of([&] {
                cuda::launch<LargeShared>(stream, "planted", {1, 32});
              }),
              HasSubstr("49160 bytes of shared memory"));
  stream.synchronize();  // none of them was a fault of the device's
}

}  // namespace
}  // namespace basin::test
