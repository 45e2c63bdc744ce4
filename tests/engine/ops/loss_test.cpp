#include "tests/support/op_case.h"

namespace basin::test {
namespace {

TEST(LossOps, GradientOfSquaredError) {
  const Shape s{5, 3};
  check_op({{{"x", s}, {"y", s}},
            [](Tape& t) { return squared_error(softplus(t.parameter("x")), t.parameter("y")); }});
}

TEST(LossOps, GradientOfCrossEntropy) {
  const Stream stream = Stream::cpu(1);
  Layout layout;
  layout.add("z", Role::Weight, Shape{7, 4});
  Arena z(stream, std::make_shared<const Layout>(layout), DType::Float64);
  randomise(stream, z, 3);
  const std::vector<int32_t> labels{0, 1, 2, 3, 3, 0, 1};
  Tape tape(stream, z);
  const Variable y = tape.input("labels", Shape{7}, DType::Int32, labels.data());
  tape.freeze({scale(cross_entropy(scale(tape.parameter("z"), 3), y).loss, 2)});
  Workspace work(tape, stream);
  work.bind("labels", labels.data());
  Point point(tape, stream);
  Arena gradient = z.sibling(stream);
  const LayoutEntry& entry = z.layout()->entries()[0];
  const auto value = [&] {
    point.move_to(z, nullptr, work);
    work.forward(point);
    return work.scalar(0);
  };
  value();
  work.backward(point, gradient, 0.5);  // the seed scales the gradient, not the value
  const auto analytic = gradient.read(stream, entry);
  auto w = z.read(stream, entry);
  for (size_t i = 0; i < w.size(); ++i) {
    const double kept = w[i];
    const auto moved = [&](double to) {
      w[i] = to;
      z.write(stream, entry, w);
      return value();
    };
    const double numeric = 0.5 * (moved(kept + 1e-5) - moved(kept - 1e-5)) / 2e-5;
    moved(kept);
    EXPECT_LE(std::fabs(analytic[i] - numeric), 1e-9);
  }
}

}  // namespace
}  // namespace basin::test
