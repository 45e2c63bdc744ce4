// One case, every check: on a CPU an op of random parameters is gradient-checked in float64 at the
// point of recording and at another one; on every device there is it gives the same gradient, with
// all values retained too, to the same bytes twice, and the same in float32 up to rounding.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/gradcheck.h"
#include "engine/ops.h"
#include "engine/workspace.h"
#include "kernels/random.h"
#include "tests/support/device.h"

namespace basin::test {

// Values in (-1, 1), never nearer to 0 than 0.05: no kink within a difference's step.
inline double away_from_zero(uint64_t seed, uint32_t lane, uint64_t index) {
  const double u = 2 * uniform(philox_at(seed, Purpose::Test, lane, index)) - 1;
  return u < 0 ? u * 0.95 - 0.05 : u * 0.95 + 0.05;
}

inline void randomise(const Stream& stream, Arena& arena, uint64_t seed) {
  uint32_t lane = 0;
  for (const LayoutEntry& entry : arena.layout()->entries()) {
    std::vector<double> values(entry.size);
    for (size_t i = 0; i < values.size(); ++i) values[i] = away_from_zero(seed, lane, i);
    arena.write(stream, entry, values);
    ++lane;
  }
}

struct OpCase {
  std::vector<std::pair<std::string, Shape>> parameters;
  std::function<Variable(Tape&)> record;  // any shape: reduced to a weighted sum
  Layout buffers = {};
  Mode mode = Mode::Training;
};

// An op's parameters, and running statistics, on one device.
struct OpPoint {
  OpPoint(const OpCase& op, const LayoutPtr& layout, const Stream& stream, DType dtype)
      : parameters(stream, layout, dtype) {
    if (op.buffers.size() == 0) return;
    running.emplace(stream, std::make_shared<const Layout>(op.buffers), dtype);
    randomise(stream, *running, 5);
    for (const LayoutEntry& e : running->layout()->entries()) {
      std::vector<double> values = running->read(stream, e);
      for (double& v : values) v = std::fabs(v);  // variances
      running->write(stream, e, values);
    }
  }
  Arena* buffers() { return running ? &*running : nullptr; }
  Arena parameters;
  std::optional<Arena> running;
};

// Both a square and a plain sum: neither a sign nor a scale of y is lost.
inline Variable scalar_of(const OpCase& op, Tape& tape) {
  const Variable y = op.record(tape);
  return add(sum(mul(y, y)), scale(sum(y), 0.7));
}

// The scalar and its gradient, tensor by tensor; a second replay in the same memory gives the same
// bytes.
inline std::vector<double> gradient_of(const OpCase& op, const LayoutPtr& layout,
                                       const Stream& stream, DType dtype, Retain retain) {
  OpPoint at(op, layout, stream, dtype);
  randomise(stream, at.parameters, 13);
  Tape tape(stream, at.parameters, at.buffers(), {.mode = op.mode});
  tape.freeze({scalar_of(op, tape)}, Differentiate::Yes, retain);
  Workspace work(tape, stream);
  Point point(tape, stream);
  Arena gradient = at.parameters.sibling(stream);
  std::vector<std::vector<double>> runs;
  for (int run = 0; run < 2; ++run) {
    point.move_to(at.parameters, at.buffers(), work);
    work.forward(point);
    work.backward(point, gradient);
    std::vector<double> all{work.scalar(0)};
    for (const LayoutEntry& entry : layout->entries()) {
      const auto values = gradient.read(stream, entry);
      all.insert(all.end(), values.begin(), values.end());
    }
    runs.push_back(all);
  }
  EXPECT_EQ(runs[0], runs[1]) << name(stream);
  return runs[0];
}

inline void expect_near(const std::vector<double>& found, const std::vector<double>& expected,
                        double tolerance, const Stream& stream) {
  double scale = 0;
  for (const double v : expected) scale = std::max(scale, std::fabs(v));
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_LE(std::fabs(found[i] - expected[i]), tolerance * scale)
        << "at " << i << ", " << name(stream);
  }
}

inline void check_op(const OpCase& op, int threads = 1) {
  Layout declared;
  for (const auto& [name, shape] : op.parameters) declared.add(name, Role::Weight, shape);
  const auto layout = std::make_shared<const Layout>(declared);
  const Stream cpu = Stream::cpu(threads);
  OpPoint start(op, layout, cpu, DType::Float64);
  Arena at = start.parameters.sibling(cpu);
  for (const uint64_t seed : {1u, 2u}) {
    randomise(cpu, start.parameters, 11);
    randomise(cpu, at, seed == 1 ? 11 : 12);
    const auto scalar = [&](Tape& tape) { return scalar_of(op, tape); };
    EXPECT_LE(gradcheck(scalar, cpu, start.parameters, at, start.buffers(), op.mode), 2e-8)
        << "seed " << seed;
  }
  const auto expected = gradient_of(op, layout, cpu, DType::Float64, Retain::Planned);
  std::optional<std::vector<double>> first;  // of the CUDA device
  for (const Stream& stream : streams({threads})) {
    const auto planned = gradient_of(op, layout, stream, DType::Float64, Retain::Planned);
    expect_near(planned, expected, 1e-12, stream);
    EXPECT_EQ(planned, gradient_of(op, layout, stream, DType::Float64, Retain::All));
    const auto single = gradient_of(op, layout, stream, DType::Float32, Retain::Planned);
    expect_near(single, expected, 2e-5, stream);
    if (!stream.is_cuda()) continue;
    EXPECT_EQ(single, first.value_or(single)) << name(stream);
    first = single;
  }
}

}  // namespace basin::test
