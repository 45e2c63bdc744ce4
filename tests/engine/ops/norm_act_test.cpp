#include "tests/support/op_case.h"

namespace basin::test {
namespace {

Layout running(int64_t c) {
  Layout layout;
  layout.add("mean", Role::RunningMean, Shape{c});
  layout.add("var", Role::RunningVariance, Shape{c});
  layout.add("count", Role::Counter, Shape{});
  return layout;
}

BatchNormOptions batch(Activation act) {
  return {.running_mean = "mean", .running_variance = "var", .counter = "count", .activation = act};
}

// Both activations: the mask's kinks are far from these random values almost surely, as the
// gradient check with its small step shows.
TEST(NormActOp, GradientsOfGroupNorm) {
  for (const Activation act : {Activation::None, Activation::Relu}) {
    for (const auto& [c, groups] : {std::pair<int64_t, int64_t>{4, 2}, {6, 3}, {5, 1}, {16, 8}}) {
      const GroupNormOptions o{.groups = groups, .activation = act};
      const Shape x{2, 3, 2, c};
      check_op({{{"x", x}, {"g", Shape{c}}, {"b", Shape{c}}}, [o](Tape& t) {
                  return group_norm_act(t.parameter("x"), t.parameter("g"), t.parameter("b"), o);
                }});
      check_op({{{"x", x}, {"r", x}, {"g", Shape{c}}, {"b", Shape{c}}}, [o](Tape& t) {
                  const Variable skip = softplus(t.parameter("r"));
                  const NormActResult n = group_norm_act(scale(t.parameter("x"), 2), skip,
                                                         t.parameter("g"), t.parameter("b"), o);
                  return add(mul(n.y, skip), n.sum);  // the sum and the skip are used again
                }});
    }
  }
}

TEST(NormActOp, GradientsOfBatchNorm) {
  for (const Mode mode : {Mode::Training, Mode::Frozen}) {
    for (const Activation act : {Activation::None, Activation::Relu}) {
      for (const int64_t c : {1, 5, 16}) {
        const Shape x{3, 2, 3, c};
        check_op({{{"x", x}, {"g", Shape{c}}, {"b", Shape{c}}},
                  [act](Tape& t) {
                    return batch_norm_act(t.parameter("x"), t.parameter("g"), t.parameter("b"),
                                          batch(act));
                  },
                  running(c),
                  mode});
        check_op({{{"x", x}, {"r", x}, {"g", Shape{c}}, {"b", Shape{c}}},
                  [act](Tape& t) {
                    const NormActResult n =
                        batch_norm_act(t.parameter("x"), softplus(t.parameter("r")),
                                       t.parameter("g"), t.parameter("b"), batch(act));
                    return add(n.y, n.sum);
                  },
                  running(c),
                  mode},
                 2);
      }
    }
  }
}

}  // namespace
}  // namespace basin::test
