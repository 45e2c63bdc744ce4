#include "models/relu1d.h"

#include <memory>

#include "engine/data/torch_random.h"
#include "engine/ops.h"
#include "kernels/error.h"
#include "kernels/random.h"

namespace basin {
namespace {

constexpr double kHiddenScale = 2.5, kOutputScale = 4;

// The draws of the notebook, in order: each Linear layer is first given PyTorch's own start.
Relu1dWeights torch_start(const Relu1dStart& o) {
  BASIN_CHECK(o.units >= TorchRandom::kLeastNormals, "--units",
              "found {} with --rng torch, expected at least {}", o.units,
              TorchRandom::kLeastNormals);
  TorchRandom random(o.seed);
  const auto skip = [&](int64_t count) {
    for (int64_t i = 0; i < count; ++i) random.uniform();
  };
  const auto hidden = static_cast<float>(kHiddenScale * o.scale),
             output = static_cast<float>(kOutputScale * o.scale);
  Relu1dWeights weights;
  skip(2 * o.units);  // weight and bias
  for (int64_t j = 0; j < o.units; ++j) {
    weights.w.push_back(random.uniform() > 0.5F ? hidden : -hidden);
  }
  weights.b = random.normals(o.units);
  for (float& b : weights.b) b *= hidden;
  skip(o.units);  // the output's weight; it has no bias
  weights.a = random.normals(o.units);
  for (float& a : weights.a) a *= output;
  return weights;
}

Relu1dWeights philox_start(const Relu1dStart& o) {
  Relu1dWeights weights;
  for (int64_t j = 0; j < o.units; ++j) {
    const auto bits = [&](uint32_t lane) {
      return philox_at(o.seed, Purpose::Initialise, lane, static_cast<uint64_t>(j));
    };
    const double hidden = kHiddenScale * o.scale;
    weights.w.push_back(static_cast<float>(uniform(bits(0)) < 0.5 ? -hidden : hidden));
    weights.b.push_back(static_cast<float>(hidden * normal(bits(1))));
    weights.a.push_back(static_cast<float>(kOutputScale * o.scale * normal(bits(2))));
  }
  return weights;
}

Buffer placed(const Stream& stream, DType dtype, const std::vector<double>& values) {
  return dispatch(dtype, [&]<class T>(T) {
    const std::vector<T> rounded(values.begin(), values.end());
    Buffer buffer(stream, static_cast<int64_t>(rounded.size() * sizeof(T)));
    copy_to_device(stream, buffer.data(), rounded.data(), buffer.bytes());
    return buffer;
  });
}

Tape recorded(const Stream& stream, const Arena& origin, int64_t n, const Buffer& x,
              const Buffer& y) {
  Tape tape(stream, origin);
  const Variable f = record_relu1d(tape, tape.input("x", {n, 1}, origin.dtype(), x.data()));
  const Variable target = tape.input("y", {n, 1}, origin.dtype(), y.data());
  tape.freeze({scale(squared_error(f, target), 0.5 * static_cast<double>(n))});
  return tape;
}

}  // namespace

Relu1dWeights make_relu1d_weights(const Relu1dStart& start) {
  return start.rng == InitRng::Torch ? torch_start(start) : philox_start(start);
}

Regression relu1d_points() {
  Regression r;
  r.n = 12, r.d = 1;
  for (int k = 0; k < 12; ++k) r.x.push_back((k - 5.5) / 4 + 0.07);
  for (const double y : {-2.0, 1.5, 0.0, 0.0, 2.0, 1.0, 0.0, -1.0, 0.0, 1.0, 2.0, -1.0}) {
    r.y.push_back(0.345 + y);
  }
  return r;
}

LayoutPtr relu1d_layout(int64_t units) {
  Layout layout;
  layout.add("hidden.weight", Role::Weight, Shape{units, 1});
  layout.add("hidden.bias", Role::Bias, Shape{units});
  layout.add("output.weight", Role::Weight, Shape{1, units});
  return std::make_shared<const Layout>(layout);
}

Variable record_relu1d(Tape& tape, const Variable& x) {
  return linear(relu(linear(x, tape.parameter("hidden.weight"), tape.parameter("hidden.bias"))),
                tape.parameter("output.weight"));
}

Relu1dObjective::Relu1dObjective(const Stream& stream, const Regression& data, int64_t units,
                                 DType dtype)
    : stream_(stream),
      layout_(relu1d_layout(units)),
      x_(placed(stream, dtype, data.x)),
      y_(placed(stream, dtype, data.y)),
      origin_(stream, layout_, dtype),
      tape_(recorded(stream, origin_, data.n, x_, y_)),
      work_(tape_, stream),
      point_(tape_, stream) {
  work_.bind("x", x_.data());
  work_.bind("y", y_.data());
}

Arena Relu1dObjective::place(const Relu1dWeights& weights) const {
  Arena arena = origin_.sibling(stream_);
  const auto write = [&](const char* name, const std::vector<float>& values) {
    arena.write(stream_, layout_->at(name), std::vector<double>(values.begin(), values.end()));
  };
  write("hidden.weight", weights.w), write("hidden.bias", weights.b);
  write("output.weight", weights.a);
  return arena;
}

double Relu1dObjective::loss(const Arena& at) {
  point_.move_to(at, nullptr, work_);
  work_.forward(point_);
  return work_.scalar(0);
}

void Relu1dObjective::differentiate(const Arena& at, Arena& gradient, Track /*track*/) {
  point_.move_to(at, nullptr, work_);
  work_.forward(point_);
  work_.backward(point_, gradient);
}

}  // namespace basin
