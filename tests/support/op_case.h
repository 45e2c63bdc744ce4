// One case, every check: an op of random parameters is gradient-checked in float64 at the point of
// recording and at another one, gives the same with all values retained, and the same in float32
// up to rounding.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "engine/gradcheck.h"
#include "engine/ops.h"
#include "engine/workspace.h"
#include "kernels/random.h"

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

inline void check_op(const OpCase& op, int threads = 1) {
  const Stream stream = Stream::cpu(threads);
  Layout declared;
  for (const auto& [name, shape] : op.parameters) declared.add(name, Role::Weight, shape);
  const auto layout = std::make_shared<const Layout>(declared);
  Arena start(stream, layout, DType::Float64), at(stream, layout, DType::Float64);
  Arena buffers;
  Arena* running = nullptr;
  if (op.buffers.size() > 0) {
    buffers = Arena(stream, std::make_shared<const Layout>(op.buffers), DType::Float64);
    randomise(stream, buffers, 5);
    for (const LayoutEntry& e : buffers.layout()->entries()) {
      std::vector<double> values = buffers.read(stream, e);
      for (double& v : values) v = std::fabs(v);  // variances
      buffers.write(stream, e, values);
    }
    running = &buffers;
  }
  // Both a square and a plain sum: neither a sign nor a scale of y is lost.
  const auto scalar = [&](Tape& tape) {
    const Variable y = op.record(tape);
    return add(sum(mul(y, y)), scale(sum(y), 0.7));
  };
  for (const uint64_t seed : {1u, 2u}) {
    randomise(stream, start, 11);
    randomise(stream, at, seed == 1 ? 11 : 12);
    EXPECT_LE(gradcheck(scalar, stream, start, at, running, op.mode), 2e-8) << "seed " << seed;
  }

  const auto gradient_with = [&](Retain retain, DType dtype) {
    Arena w(stream, layout, dtype);
    randomise(stream, w, 13);
    Arena state;
    if (running != nullptr) {
      state = Arena(stream, buffers.layout(), dtype);
      for (const LayoutEntry& e : buffers.layout()->entries()) {
        state.write(stream, e, buffers.read(stream, e));
      }
    }
    Arena* state_at = running == nullptr ? nullptr : &state;
    Tape tape(stream, w, state_at, {.mode = op.mode});
    tape.freeze({scalar(tape)}, Differentiate::Yes, retain);
    Workspace work(tape, stream);
    Point point(tape, stream);
    Arena gradient = w.sibling(stream);
    std::vector<std::vector<double>> runs;
    for (int run = 0; run < 2; ++run) {
      point.move_to(w, state_at, work);
      work.forward(point);
      work.backward(point, gradient);
      std::vector<double> all{work.scalar(0)};
      for (const LayoutEntry& entry : layout->entries()) {
        const auto values = gradient.read(stream, entry);
        all.insert(all.end(), values.begin(), values.end());
      }
      runs.push_back(all);
    }
    EXPECT_EQ(runs[0], runs[1]);  // a second replay in the same memory: the same bytes
    return runs[0];
  };
  const auto planned = gradient_with(Retain::Planned, DType::Float64);
  EXPECT_EQ(planned, gradient_with(Retain::All, DType::Float64));
  const auto single = gradient_with(Retain::Planned, DType::Float32);
  double scale_of = 0;
  for (const double v : planned) scale_of = std::max(scale_of, std::fabs(v));
  for (size_t i = 0; i < planned.size(); ++i) {
    EXPECT_LE(std::fabs(planned[i] - single[i]), 2e-5 * scale_of) << "at " << i;
  }
}

}  // namespace basin::test
