#include "tests/support/op_case.h"

namespace basin::test {
namespace {

TEST(FlattenOp, GradientThroughComputedValuesParametersAndTwoUses) {
  const Shape x{3, 2, 2, 5};
  check_op({{{"x", x}}, [](Tape& t) { return flatten(softplus(t.parameter("x"))); }});
  check_op({{{"x", x}}, [](Tape& t) { return flatten(t.parameter("x")); }});
  check_op({{{"x", x}, {"w", Shape{4, 20}}}, [](Tape& t) {
              const Variable h = softplus(t.parameter("x"));
              return mul(linear(flatten(h), t.parameter("w")),
                         linear(flatten(h), t.parameter("w")));
            }});
}

}  // namespace
}  // namespace basin::test
