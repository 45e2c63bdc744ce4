#include "models/diagonal.h"

#include "engine/ops.h"
#include "kernels/elementwise.h"

namespace basin {
namespace {

Buffer placed(const Stream& stream, DType dtype, const std::vector<double>& values) {
  return dispatch(dtype, [&]<class T>(T) {
    const std::vector<T> rounded(values.begin(), values.end());
    Buffer buffer(stream, static_cast<int64_t>(rounded.size() * sizeof(T)));
    copy_to_device(stream, buffer.data(), rounded.data(), buffer.bytes());
    return buffer;
  });
}

}  // namespace

LayoutPtr diagonal_layout(int64_t d) {
  Layout layout;
  layout.add("u", Role::Weight, Shape{1, d});
  layout.add("v", Role::Weight, Shape{1, d});
  return std::make_shared<const Layout>(layout);
}

Variable record_diagonal(Tape& tape, const Variable& x) {
  return linear(x, mul(tape.parameter("u"), tape.parameter("v")));
}

DiagonalObjective::Recorded::Recorded(const Stream& stream, const Arena& parameters, int64_t n,
                                      int64_t d, const std::byte* x, const std::byte* y)
    : tape([&] {
        Tape tape(stream, parameters);
        const Variable predicted =
            record_diagonal(tape, tape.input("x", {n, d}, parameters.dtype(), x));
        const Variable target = tape.input("y", {n, 1}, parameters.dtype(), y);
        tape.freeze({scale(squared_error(predicted, target), 0.5)});
        return tape;
      }()),
      work(tape, stream),
      point(tape, stream) {
  work.bind("x", x);
  work.bind("y", y);
}

void DiagonalObjective::Recorded::forward(const Arena& at) {
  point.move_to(at, nullptr, work);
  work.forward(point);
}

void DiagonalObjective::Recorded::differentiate(const Arena& at, Arena& gradient) {
  forward(at);
  work.backward(point, gradient);
}

DiagonalObjective::DiagonalObjective(const Stream& stream, const Regression& data, DType dtype,
                                     Groups groups)
    : stream_(stream),
      layout_(diagonal_layout(data.d)),
      dtype_(dtype),
      groups_(groups),
      n_(data.n),
      d_(data.d),
      x_(placed(stream, dtype, data.x)),
      y_(placed(stream, dtype, data.y)),
      origin_(stream, layout_, dtype),
      all_(stream, origin_, n_, d_, x_.data(), y_.data()) {}

Arena DiagonalObjective::start(double alpha) const {
  Arena weights(stream_, layout_, dtype_);
  weights.write(stream_, layout_->at("u"), std::vector<double>(d_, alpha));
  return weights;
}

double DiagonalObjective::loss(const Arena& at) {
  all_.forward(at);
  return all_.work.scalar(0);
}

void DiagonalObjective::differentiate(const Arena& at, Arena& gradient, Track /*track*/) {
  (picked_ ? example(*picked_) : all_).differentiate(at, gradient);
}

DiagonalObjective::Recorded& DiagonalObjective::example(int64_t k) {
  if (!one_) one_.emplace(stream_, origin_, 1, d_, x_.data(), y_.data());
  one_->work.bind("x", x_.data() + k * d_ * dtype_size(dtype_));
  one_->work.bind("y", y_.data() + k * dtype_size(dtype_));
  return *one_;
}

void DiagonalObjective::differentiate_perturbed(const Arena& weights, const Ascent& ascent,
                                                Arena& gradient, StepTracks /*tracks*/) {
  AscentSpace space(stream_, layout_, dtype_, 1, KeepEpsilon::Yes);
  Arena own = weights.sibling(stream_);
  zero(stream_, gradient.data(), gradient.bytes());
  for (int64_t k = 0; k < n_; ++k) {
    Recorded& one = example(k);
    space.first_group = k;
    for (int move = 0; move < ascent.moves(); ++move) {
      one.differentiate(move == 0 ? weights : space.point, own);
      ascent.move(stream_, move, weights, own, space);
    }
    one.differentiate(space.point, own);
    dispatch(dtype_, [&]<class T>(T) {
      map<T>(stream_, Scale<T>{T(1) / static_cast<T>(n_)}, own.size(), {own.as<T>()},
             {gradient.as<T>()}, Write::Accumulate);
    });
  }
}

}  // namespace basin
