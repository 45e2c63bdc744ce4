// Ranges: made and ended in any build, with or without a profiler that listens.
#include "kernels/range.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace basin::test {
namespace {

static_assert(!std::is_copy_constructible_v<Range> && !std::is_move_constructible_v<Range>);

TEST(Range, RangesNest) {
  const Range step("step");
  for (int k = 0; k < 3; ++k) const Range replay("replay");
}

}  // namespace
}  // namespace basin::test
