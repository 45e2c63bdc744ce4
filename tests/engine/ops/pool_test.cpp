#include "tests/support/op_case.h"

namespace basin::test {
namespace {

TEST(PoolOps, Gradients) {
  for (const int64_t c : {1, 5, 16}) {
    const Shape x{2, 6, 5, c};
    for (const auto& [window, stride] : {std::pair<int64_t, int64_t>{2, 2}, {3, 1}, {2, 3}}) {
      check_op({{{"x", x}}, [window = window, stride = stride](Tape& t) {
                  return average_pool(softplus(t.parameter("x")), window, stride);
                }});
    }
    check_op({{{"x", x}}, [](Tape& t) { return global_pool(softplus(t.parameter("x"))); }});
  }
}

}  // namespace
}  // namespace basin::test
