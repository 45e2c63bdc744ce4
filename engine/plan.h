// The memory planner: from lifetimes to offsets in one buffer. A pure function.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace basin {

// Bytes that must be kept during [first, last], both included.
struct Interval {
  int64_t bytes;
  int first, last;
};

struct MemoryPlan {
  std::vector<int64_t> offsets;  // of each interval, multiples of 64
  int64_t bytes = 0;             // of the whole buffer
};

// No two intervals that are alive at the same time overlap. First fit, the largest first.
MemoryPlan plan_memory(std::span<const Interval> intervals);

}  // namespace basin
