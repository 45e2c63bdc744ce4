#include "engine/plan.h"

#include <algorithm>
#include <numeric>

#include "engine/buffer.h"

namespace basin {

MemoryPlan plan_memory(std::span<const Interval> intervals) {
  MemoryPlan plan;
  plan.offsets.assign(intervals.size(), 0);
  std::vector<int> order(intervals.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return intervals[a].bytes > intervals[b].bytes; });

  std::vector<int> placed;  // by offset
  for (const int i : order) {
    const Interval& wanted = intervals[i];
    const int64_t bytes = round_up(wanted.bytes, Buffer::kAlignment);
    int64_t offset = 0;
    for (const int j : placed) {
      const Interval& other = intervals[j];
      if (other.last < wanted.first || wanted.last < other.first) continue;
      if (plan.offsets[j] >= offset + bytes) break;  // the gap before j is wide enough
      offset = std::max(offset, plan.offsets[j] + round_up(other.bytes, Buffer::kAlignment));
    }
    plan.offsets[i] = offset;
    plan.bytes = std::max(plan.bytes, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](int a, int b) { return plan.offsets[a] < plan.offsets[b]; }),
                  i);
  }
  return plan;
}

}  // namespace basin
