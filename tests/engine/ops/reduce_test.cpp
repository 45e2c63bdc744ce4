#include "tests/support/op_case.h"

namespace basin::test {
namespace {

TEST(ReduceOps, GradientsOfEach) {
  for (const Shape& shape : {Shape{1}, Shape{5, 7}, Shape{2, 3, 5, 4}}) {
    check_op({{{"a", shape}}, [](Tape& t) { return sum(t.parameter("a")); }});
    check_op({{{"a", shape}}, [](Tape& t) { return mean(softplus(t.parameter("a"))); }});
    check_op({{{"a", shape}}, [](Tape& t) { return l2_term(t.parameter("a"), 0.3); }});
  }
}

}  // namespace
}  // namespace basin::test
