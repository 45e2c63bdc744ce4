// One thread's work as a body.
#pragma once

#include "kernels/block.h"

namespace basin {

// Narrow accesses: one thread reads a few scalars.
template <class Act>
struct OnceBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, Act act) const {
    if (block.block_rank() == 0 && block.thread_rank() == 0) act();
  }
};

}  // namespace basin
