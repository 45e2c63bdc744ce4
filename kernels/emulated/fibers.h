// A block whose threads are fibers: they run in a seeded order, one at a time, each until it comes
// to a barrier or a shuffle. Threads that come to none run as a plain loop.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>

#include "kernels/block.h"
#include "kernels/emulated/settings.h"

namespace basin::emulated {

inline constexpr int kMaxThreads = 1024;  // of a block

// Where in the text a barrier or shuffle stands.
struct Place {
  const char* file;
  int line;
};

// Where the threads of a block meet. Fault(LaunchFailure) where they diverge: not every thread
// comes, or not to the same place in the text.
struct Meeting {
  int64_t rank = 0, blocks = 0;
  int threads = 0;

  virtual void sync(int thread, const Place& where) = 0;
  // The bits of the thread of this warp whose rank differs by `mask`.
  virtual uint64_t shuffle(int thread, uint64_t bits, size_t bytes, int mask,
                           const Place& where) = 0;

 protected:
  Meeting() = default;
  ~Meeting() = default;
};

class FiberBlock {
 public:
  FiberBlock(Meeting& meeting, int thread) : meeting_(&meeting), thread_(thread) {}
  int thread_rank() const { return thread_; }
  int num_threads() const { return meeting_->threads; }
  int64_t block_rank() const { return meeting_->rank; }
  int64_t num_blocks() const { return meeting_->blocks; }
  void sync(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    meeting_->sync(thread_, {file, line});
  }
  template <class T>
  T shfl_xor(T value, int mask, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    bits = meeting_->shuffle(thread_, bits, sizeof(T), mask, {file, line});
    std::memcpy(&value, &bits, sizeof(T));
    return value;
  }

 private:
  Meeting* meeting_;
  int thread_;
};
static_assert(IsBlock<FiberBlock>);

// Runs blocks one after the other; keeps the fibers.
class BlockRunner {
 public:
  BlockRunner();
  ~BlockRunner();
  // body(block) for every thread of block `rank`. Throws the first Fault, or what a body threw;
  // the other threads are unwound.
  void run(Order& order, int64_t rank, int64_t blocks, int threads,
           const std::function<void(FiberBlock&)>& body);

 private:
  class Team;
  std::unique_ptr<Team> team_;
};

}  // namespace basin::emulated
