#include "engine/plan.h"

#include <gtest/gtest.h>

#include "kernels/random.h"

namespace basin {
namespace {

TEST(Plan, NoTwoLiveIntervalsOverlapAndReuseHappens) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    auto draw = [&, k = uint64_t{0}](uint32_t bound) mutable {
      return static_cast<int>(bounded(philox_at(seed, Purpose::Test, 0, k++), bound));
    };
    std::vector<Interval> intervals(1 + draw(60));
    int64_t total = 0;
    for (Interval& i : intervals) {
      i.bytes = 1 + draw(5000);
      i.first = draw(40);
      i.last = i.first + draw(8);
      total += (i.bytes + 63) / 64 * 64;
    }
    const MemoryPlan plan = plan_memory(intervals);
    ASSERT_EQ(plan.offsets.size(), intervals.size());
    // Independently of the planner: the most bytes that live at one time are a lower bound.
    int64_t most = 0;
    for (int t = 0; t < 50; ++t) {
      int64_t live = 0;
      for (const Interval& i : intervals) {
        if (i.first <= t && t <= i.last) live += (i.bytes + 63) / 64 * 64;
      }
      most = std::max(most, live);
    }
    EXPECT_GE(plan.bytes, most);
    EXPECT_LE(plan.bytes, total);
    EXPECT_LE(plan.bytes, most * 2);
    for (size_t a = 0; a < intervals.size(); ++a) {
      EXPECT_EQ(plan.offsets[a] % 64, 0);
      EXPECT_LE(plan.offsets[a] + intervals[a].bytes, plan.bytes);
      for (size_t b = a + 1; b < intervals.size(); ++b) {
        const bool together =
            intervals[a].first <= intervals[b].last && intervals[b].first <= intervals[a].last;
        if (!together) continue;
        EXPECT_TRUE(plan.offsets[a] + intervals[a].bytes <= plan.offsets[b] ||
                    plan.offsets[b] + intervals[b].bytes <= plan.offsets[a])
            << "seed " << seed << ": " << a << " and " << b;
      }
    }
  }
}

}  // namespace
}  // namespace basin
