#include "tests/support/op_case.h"

namespace basin::test {
namespace {

TEST(LinearOps, GradientsOverOddSizes) {
  const int64_t sizes[][3] = {{1, 1, 1}, {3, 5, 2}, {7, 17, 9}, {16, 33, 10}};
  for (const auto& [n, in, out] : sizes) {
    check_op({{{"x", Shape{n, in}}, {"w", Shape{in, out}}},
              [](Tape& t) { return matmul(t.parameter("x"), t.parameter("w")); }});
    check_op({{{"x", Shape{n, in}}, {"w", Shape{out, in}}, {"b", Shape{out}}},
              [](Tape& t) { return linear(t.parameter("x"), t.parameter("w"), t.parameter("b")); }},
             2);
    check_op({{{"x", Shape{n, 2, 3, out}}, {"b", Shape{out}}},
              [](Tape& t) { return bias(t.parameter("x"), t.parameter("b")); }});
  }
}

TEST(LinearOps, OneWeightInTwoPlaces) {
  check_op({{{"x", Shape{4, 6}}, {"w", Shape{6, 6}}, {"b", Shape{6}}}, [](Tape& t) {
              const Variable h =
                  softplus(linear(t.parameter("x"), t.parameter("w"), t.parameter("b")));
              return linear(h, t.parameter("w"), t.parameter("b"));
            }});
}

}  // namespace
}  // namespace basin::test
