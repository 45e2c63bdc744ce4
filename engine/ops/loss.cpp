// Losses: the gradient is computed with the value, kept, and scaled by the adjoint in backward.
#include "kernels/loss.h"

#include "engine/ops.h"
#include "engine/record.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace basin {
namespace {

template <class T>
struct CrossEntropyOp final : Op {
  int64_t n, classes;
  CrossEntropyOp(int64_t n, int64_t classes) : n(n), classes(classes) {}
  std::string_view name() const override { return "cross_entropy"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false, false},
            .output_in_backward = {false, false},
            .saved = n * classes * int64_t{sizeof(T)},
            .scratch = cross_entropy_scratch(n)};
  }
  void forward(OpRun& r) const override {
    basin::cross_entropy(r.stream, n, classes, r.in<T>(0), r.in<int32_t>(1), r.out<T>(0),
                         r.out<T>(1), reinterpret_cast<T*>(r.saved()), r.scratch());
  }
  void backward(OpRun& r) const override {
    if (!r.wants(0)) return;
    map<T>(r.stream, ScaleBy<T>{r.d_out<T>(), T(1)}, n * classes,
           {reinterpret_cast<const T*>(r.saved())}, {r.d_in<T>(0)}, r.write(0));
  }
};

template <class T>
struct SquaredErrorOp final : Op {
  int64_t n;
  explicit SquaredErrorOp(int64_t n) : n(n) {}
  std::string_view name() const override { return "squared_error"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false, false},
            .output_in_backward = {false},
            .saved = n * int64_t{sizeof(T)},
            .scratch = (reduce_partials(n) + 1) * int64_t{sizeof(double)}};
  }
  void forward(OpRun& r) const override {
    basin::squared_error(r.stream, n, 1.0 / static_cast<double>(n), r.in<T>(0), r.in<T>(1),
                         r.out<T>(), reinterpret_cast<T*>(r.saved()),
                         reinterpret_cast<double*>(r.scratch()));
  }
  void backward(OpRun& r) const override {
    const T* dx = reinterpret_cast<const T*>(r.saved());
    for (int i = 0; i < 2; ++i) {
      if (!r.wants(i)) continue;
      map<T>(r.stream, ScaleBy<T>{r.d_out<T>(), i == 0 ? T(1) : T(-1)}, n, {dx}, {r.d_in<T>(i)},
             r.write(i));
    }
  }
};

}  // namespace

CrossEntropyResult cross_entropy(const Variable& logits, const Variable& labels) {
  Recording& tape = Recording::of("cross_entropy", {&logits, &labels});
  const Shape& s = logits.shape();
  BASIN_CHECK(s.rank() == 2, "[cross_entropy] logits", "found {}, expected [n,classes]", s);
  BASIN_CHECK(labels.shape() == Shape{s[0]} && labels.dtype() == DType::Int32,
              "[cross_entropy] labels", "found {} {}, expected int32 [{}]",
              dtype_name(labels.dtype()), labels.shape(), s[0]);
  const auto outputs =
      record<CrossEntropyOp>(tape, {logits, labels}, {Shape{1}, Shape{1}}, s[0], s[1]);
  return {outputs[0], outputs[1]};
}

Variable squared_error(const Variable& x, const Variable& y) {
  Recording& tape = Recording::of("squared_error", {&x, &y});
  BASIN_CHECK(x.shape() == y.shape(), "[squared_error] y", "found {}, expected x's shape {}",
              y.shape(), x.shape());
  return record<SquaredErrorOp>(tape, {x, y}, {Shape{1}}, x.shape().size())[0];
}

}  // namespace basin
