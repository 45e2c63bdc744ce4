#include "tests/support/op_case.h"

namespace basin::test {
namespace {

TEST(ElementwiseOps, GradientsOfEach) {
  for (const Shape& shape : {Shape{1}, Shape{3, 5}, Shape{2, 3, 3, 7}}) {
    const auto one = [&](auto op) {
      check_op({{{"a", shape}}, [=](Tape& t) { return op(t.parameter("a")); }});
    };
    const auto two = [&](auto op) {
      check_op({{{"a", shape}, {"b", shape}},
                [=](Tape& t) { return op(t.parameter("a"), t.parameter("b")); }});
    };
    one([](const Variable& a) { return relu(a); });
    one([](const Variable& a) { return softplus(a); });
    one([](const Variable& a) { return softplus(a, 5); });
    one([](const Variable& a) { return scale(a, -2.5); });
    two([](const Variable& a, const Variable& b) { return add(a, b); });
    two([](const Variable& a, const Variable& b) { return mul(a, b); });
  }
}

TEST(ElementwiseOps, OneOperandTwiceAndSharedAdjoints) {
  const Shape s{4, 3};
  check_op({{{"a", s}}, [](Tape& t) {
              const Variable a = scale(t.parameter("a"), 1.5);
              return add(a, a);
            }});
  check_op({{{"a", s}}, [](Tape& t) {
              const Variable a = scale(t.parameter("a"), 1.5);
              return mul(a, a);
            }});
  // A residual: the adjoint of the sum is shared by both summands, and one gets a second gradient.
  check_op({{{"a", s}, {"b", s}}, [](Tape& t) {
              const Variable x = softplus(t.parameter("a"));
              const Variable y = add(softplus(mul(x, t.parameter("b"))), x);
              return add(mul(y, x), y);
            }});
  // A chain of residuals, as in a deep network.
  check_op({{{"a", s}, {"b", s}}, [](Tape& t) {
              Variable x = softplus(t.parameter("a"));
              for (int i = 0; i < 4; ++i) x = add(x, softplus(mul(x, t.parameter("b"))));
              return x;
            }});
}

TEST(ElementwiseOps, RefuseUnequalShapes) {
  const Stream stream = Stream::cpu(1);
  Layout layout;
  layout.add("a", Role::Weight, Shape{2, 3});
  layout.add("b", Role::Weight, Shape{3, 2});
  const Arena w(stream, std::make_shared<const Layout>(layout), DType::Float32);
  Tape tape(stream, w);
  try {
    add(tape.parameter("a"), tape.parameter("b"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "[add] b: found [3,2], expected a's shape [2,3]");
  }
}

}  // namespace
}  // namespace basin::test
