// The example of README.md: keep the two the same.
#include <gtest/gtest.h>

#include "engine/ops.h"
#include "engine/workspace.h"
#include "kernels/reduce.h"
#include "kernels/sam.h"

namespace {

TEST(Readme, Example) {
  using namespace basin;
  const Stream stream = Stream::cpu(2);
  Layout layout;  // names and shapes: one flat arena
  layout.add("w", Role::Weight, Shape{3, 4});
  layout.add("b", Role::Bias, Shape{3});
  const auto names = std::make_shared<const Layout>(layout);
  Arena w(stream, names, DType::Float32), gradient = w.sibling(stream), above = w.sibling(stream);
  const std::vector<float> x(2 * 4, 0.5f);
  const std::vector<int32_t> y{0, 2};

  Tape tape(stream, w);  // recording runs each op at once, at w
  const Variable logits = linear(tape.input("x", {2, 4}, DType::Float32, x.data()),
                                 tape.parameter("w"), tape.parameter("b"));
  tape.freeze({cross_entropy(logits, tape.input("y", {2}, DType::Int32, y.data())).loss});

  Workspace work(tape, stream);  // all memory of a replay, known and allocated here
  Point at(tape, stream);
  work.bind("x", x.data()), work.bind("y", y.data());
  const auto replay = [&](const Arena& point) {  // the same tape, anywhere in parameter space
    at.move_to(point, nullptr, work);
    work.forward(at), work.backward(at, gradient);
    return work.scalar(0);
  };
  const double loss = replay(w), rho = 0.1;
  double norm2, partials[1];
  squared_norm(stream, gradient.size(), gradient.as<float>(), partials, &norm2);
  map<float>(stream, SamAscent<float>{&norm2, &rho, Normalise::Yes}, w.size(),
             {w.as<float>(), gradient.as<float>()}, {above.as<float>()});  // w + eps, beside w
  const double loss_above = replay(above);

  EXPECT_NEAR(loss, std::log(3.0), 1e-6);
  EXPECT_GT(loss_above, loss);
}

}  // namespace
