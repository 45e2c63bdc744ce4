// The tape: misuse, names, memory, allocations, threads.
#include "engine/tape.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <thread>

#include "engine/plan.h"
#include "tests/support/allocations.h"
#include "tests/support/op_case.h"

namespace basin::test {
namespace {

// A small network with everything in it: convolutions, both pass-through kinds, a linear head.
struct Net {
  Stream stream = Stream::cpu(1);
  LayoutPtr layout;
  std::vector<float> images = std::vector<float>(4 * 6 * 6 * 3);
  std::vector<int32_t> labels{0, 1, 2, 1};

  Net() {
    Layout l;
    l.add_conv("stem", 16, 3, 3);
    l.add_conv("conv", 16, 16, 3);
    for (const char* name : {"n1", "n2"}) {
      l.add(std::string(name) + ".w", Role::NormScale, Shape{16});
      l.add(std::string(name) + ".b", Role::NormBias, Shape{16});
    }
    l.add("fc", Role::Weight, Shape{3, 16});
    layout = std::make_shared<const Layout>(l);
    for (size_t i = 0; i < images.size(); ++i) {
      images[i] = static_cast<float>(away_from_zero(9, 0, i));
    }
  }
  Arena random_weights(uint64_t seed) const {
    Arena w(stream, layout, DType::Float32);
    randomise(stream, w, seed);
    return w;
  }
  void record(Tape& tape, Retain retain = Retain::Planned) const {
    const Variable x = tape.input("x", Shape{4, 6, 6, 3}, DType::Float32, images.data());
    const Variable y = tape.input("y", Shape{4}, DType::Int32, labels.data());
    const GroupNormOptions norm{.groups = 4};
    const auto p = [&](const char* name) { return tape.parameter(name); };
    const Variable a = conv2d(x, p("stem"), {1, 1}).named("stem out");
    const Variable b = group_norm_act(a, p("n1.w"), p("n1.b"), norm);
    const Variable c = conv2d(b, p("conv"), {1, 1}).named("conv out");
    const NormActResult d = group_norm_act(c, a, p("n2.w"), p("n2.b"), norm);
    const auto out = cross_entropy(linear(global_pool(d.y), p("fc")), y);
    tape.freeze({out.loss, out.correct}, Differentiate::Yes, retain);
  }
};

#define EXPECT_MESSAGE(statement, text)                                         \
  try {                                                                         \
    statement;                                                                  \
    ADD_FAILURE() << "no error";                                                \
  } catch (const Error& e) {                                                    \
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what(); \
  }

TEST(Tape, RecordsAtOnceAndReplaysElsewhere) {
  const Stream stream = Stream::cpu(1);
  Layout l;
  l.add("w", Role::Weight, Shape{3});
  const auto layout = std::make_shared<const Layout>(l);
  Arena w(stream, layout, DType::Float64), other(stream, layout, DType::Float64);
  w.write(stream, l.entries()[0], std::vector<double>{1, -2, 3});
  other.write(stream, l.entries()[0], std::vector<double>{2, 5, -1});
  Tape tape(stream, w);
  const Variable loss = sum(relu(tape.parameter("w"))).named("loss");
  EXPECT_EQ(loss.values(), std::vector<double>{4});
  tape.freeze({loss});
  Workspace work(tape, stream);
  Point at(tape, stream);
  at.move_to(other, nullptr, work);
  work.forward(at);
  EXPECT_EQ(work.scalar(0), 7);
  Arena gradient = w.sibling(stream);
  work.backward(at, gradient, 3);
  EXPECT_EQ(gradient.read(stream, l.entries()[0]), (std::vector<double>{3, 3, 0}));
}

TEST(Tape, MisuseIsOneClearLine) {
  const Net net;
  const Arena w = net.random_weights(1);
  Variable orphan;
  {
    Tape gone(net.stream, w);
    orphan = gone.parameter("fc");
  }
  EXPECT_MESSAGE(relu(orphan), "[relu]: operand 1 belongs to a tape that was freed");
  Tape tape(net.stream, w);
  Tape second(net.stream, w);
  EXPECT_MESSAGE(add(tape.parameter("fc"), second.parameter("fc")), "belongs to another tape");
  EXPECT_MESSAGE(tape.parameter("nothing"), "found no tensor 'nothing'");
  EXPECT_MESSAGE(linear(tape.parameter("fc"), tape.parameter("stem")), "expected two matrices");
  EXPECT_MESSAGE(Workspace(tape, net.stream), "not frozen");
  net.record(tape);
  EXPECT_MESSAGE(relu(orphan), "freed");
  EXPECT_MESSAGE(tape.freeze({}), "frozen already");

  Workspace work(tape, net.stream);
  Point at(tape, net.stream);
  Arena gradient = w.sibling(net.stream);
  EXPECT_MESSAGE(work.forward(at), "stands nowhere");
  at.move_to(w, nullptr, work);
  EXPECT_MESSAGE(work.forward(at), "has no data");
  work.bind("x", net.images.data());
  work.bind("y", net.labels.data());
  EXPECT_MESSAGE(work.backward(at, gradient), "found no forward()");
  work.forward(at);
  work.backward(at, gradient);
  EXPECT_MESSAGE(work.backward(at, gradient), "found a second backward()");
  work.forward(at);
  const Arena elsewhere = net.random_weights(2);
  at.move_to(elsewhere, nullptr, work);
  EXPECT_MESSAGE(work.backward(at, gradient), "has moved since forward()");
  const Arena wide(net.stream, net.layout, DType::Float64);
  EXPECT_MESSAGE(at.move_to(wide, nullptr, work), "expected the tape's own layout");
  EXPECT_MESSAGE(work.value("conv out"), "Retain::All");  // only its sum is kept
  EXPECT_MESSAGE(work.value("no such"), "found no value named 'no such'");
}

TEST(Tape, ValuesAndAdjointsByName) {
  const Net net;
  const Arena w = net.random_weights(1);
  Tape tape(net.stream, w);
  net.record(tape, Retain::All);
  Workspace work(tape, net.stream);
  Point at(tape, net.stream);
  at.move_to(w, nullptr, work);
  work.bind("x", net.images.data());
  work.bind("y", net.labels.data());
  work.forward(at);
  Arena gradient = w.sibling(net.stream);
  work.backward(at, gradient);
  EXPECT_EQ(work.value("stem out").shape, (Shape{4, 6, 6, 16}));
  double norm = 0;
  const Tensor adjoint = work.adjoint("stem out");
  for (int64_t i = 0; i < adjoint.shape.size(); ++i) norm += std::fabs(adjoint.as<float>()[i]);
  EXPECT_GT(norm, 0);
}

TEST(Tape, PlanIsSmallerThanKeepingEverything) {
  const Net net;
  const Arena w = net.random_weights(1);
  Tape planned(net.stream, w), whole(net.stream, w);
  net.record(planned);
  net.record(whole, Retain::All);
  EXPECT_LT(planned.workspace_bytes(), whole.workspace_bytes() * 3 / 4);
}

TEST(Tape, AReplayAllocatesNothing) {
  const Net net;
  const Arena w = net.random_weights(1);
  Tape tape(net.stream, w);
  net.record(tape);
  Workspace work(tape, net.stream);
  Point at(tape, net.stream);
  Arena gradient = w.sibling(net.stream);
  work.bind("x", net.images.data());
  work.bind("y", net.labels.data());
  const int64_t before = own_allocations();
  for (int i = 0; i < 3; ++i) {
    at.move_to(w, nullptr, work);
    work.forward(at);
    work.backward(at, gradient);
  }
  EXPECT_EQ(own_allocations(), before);
  const auto one = std::make_unique<int>(1);  // the counter counts
  EXPECT_EQ(own_allocations(), before + *one);
}

// Run under ThreadSanitizer too (.ci/run); from std::thread, which it knows, as libgomp it does
// not.
TEST(Tape, RaceOfReplaysOfOneTape) {
  const Net net;
  const Arena w = net.random_weights(1);
  Tape tape(net.stream, w);
  net.record(tape);
  Point at(tape, net.stream);
  Workspace packer(tape, net.stream);
  at.move_to(w, nullptr, packer);
  std::vector<std::vector<double>> results(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < results.size(); ++t) {
    threads.emplace_back([&, t] {
      Workspace work(tape, net.stream);
      work.bind("x", net.images.data());
      work.bind("y", net.labels.data());
      Arena gradient = w.sibling(net.stream);
      for (int i = 0; i < 5; ++i) {
        work.forward(at);
        work.backward(at, gradient);
      }
      for (const LayoutEntry& entry : net.layout->entries()) {
        for (const double v : gradient.read(net.stream, entry)) results[t].push_back(v);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

}  // namespace
}  // namespace basin::test
