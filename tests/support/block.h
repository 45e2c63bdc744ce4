// Blocks that run the text of a block kernel's body in an ordinary test: of one thread, and of
// several host threads with real barriers and shuffles. Blocks of a grid run one after the other.
#pragma once

#include <array>
#include <barrier>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "kernels/block.h"

namespace basin::test {

struct OneThreadBlock {
  int64_t rank, blocks;
  int thread_rank() const { return 0; }
  int num_threads() const { return 1; }
  int64_t block_rank() const { return rank; }
  int64_t num_blocks() const { return blocks; }
  void sync() const {}
  template <class T>
  T shfl_xor(T value, int) const {
    return value;
  }
};
static_assert(IsBlock<OneThreadBlock>);

// What the threads of one block share: a barrier for the block and one for each of its warps.
struct BlockMeeting {
  explicit BlockMeeting(int threads) : all(threads), slots(threads) {
    for (int t = 0; t < threads; t += kWarpSize) {
      warps.push_back(std::make_unique<std::barrier<>>(std::min(kWarpSize, threads - t)));
    }
  }
  std::barrier<> all;
  std::vector<std::unique_ptr<std::barrier<>>> warps;
  std::vector<std::array<unsigned char, 16>> slots;
};

struct HostThreadBlock {
  BlockMeeting* meeting;
  int thread, threads;
  int64_t rank, blocks;
  int thread_rank() const { return thread; }
  int num_threads() const { return threads; }
  int64_t block_rank() const { return rank; }
  int64_t num_blocks() const { return blocks; }
  void sync() const { meeting->all.arrive_and_wait(); }
  template <class T>
  T shfl_xor(T value, int mask) const {
    static_assert(sizeof(T) <= 16);
    std::barrier<>& warp = *meeting->warps[thread / kWarpSize];
    std::memcpy(meeting->slots[thread].data(), &value, sizeof(T));
    warp.arrive_and_wait();
    T other;
    std::memcpy(&other, meeting->slots[thread ^ mask].data(), sizeof(T));
    warp.arrive_and_wait();
    return other;
  }
};
static_assert(IsBlock<HostThreadBlock>);

// Runs body(block, shared, params...) for `blocks` blocks of `threads` threads, with the shared
// memory of each block poisoned.
template <class Body, class... Params>
void run_blocks(int64_t blocks, int threads, const Params&... params) {
  typename Body::Shared shared;
  const auto poison = [&shared]() noexcept {
    std::memset(static_cast<void*>(&shared), 0xff, sizeof(shared));
  };
  if (threads == 1) {
    for (int64_t rank = 0; rank < blocks; ++rank) {
      poison();
      OneThreadBlock block{rank, blocks};
      Body{}(block, shared, params...);
    }
    return;
  }
  BlockMeeting meeting(threads);
  std::barrier next_block(threads, poison);  // whose threads have all left the one before
  std::vector<std::jthread> team;
  for (int t = 0; t < threads; ++t) {
    team.emplace_back([&, t] {
      for (int64_t rank = 0; rank < blocks; ++rank) {
        next_block.arrive_and_wait();
        HostThreadBlock block{&meeting, t, threads, rank, blocks};
        Body{}(block, shared, params...);
      }
    });
  }
}

}  // namespace basin::test
