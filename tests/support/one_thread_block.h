// A Block of one thread: runs the text of a block kernel's body in an ordinary test, a grid of
// several such blocks one after the other. (Barriers and shuffles need the emulated device.)
#pragma once

#include <cstdint>

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

// Runs every block of the grid.
template <class Body, class... Params>
void run_blocks(int64_t blocks, const Params&... params) {
  for (int64_t rank = 0; rank < blocks; ++rank) {
    OneThreadBlock block{rank, blocks};
    typename Body::Shared shared;
    Body{}(block, shared, params...);
  }
}

}  // namespace basin::test
