// Sums to one element: sum, mean, and the L2 term of a parameter.
#include "kernels/reduce.h"

#include "engine/ops.h"
#include "engine/record.h"
#include "kernels/elementwise.h"

namespace basin {
namespace {

// y = factor * sum(x)
template <class T>
struct SumOp final : Op {
  int64_t n;
  double factor;
  SumOp(int64_t n, double factor) : n(n), factor(factor) {}
  std::string_view name() const override { return "sum"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false},
            .output_in_backward = {false},
            .scratch = (reduce_partials(n) + 1) * int64_t{sizeof(double)}};
  }
  void forward(OpRun& r) const override {
    auto* total = reinterpret_cast<double*>(r.scratch());
    basin::sum(r.stream, n, r.in<T>(0), total + 1, total);
    map<T>(r.stream, FromDouble<T>{total, factor}, 1, {}, {r.out<T>()});
  }
  void backward(OpRun& r) const override {
    map<T>(r.stream, Broadcast<T>{r.d_out<T>(), static_cast<T>(factor)}, n, {}, {r.d_in<T>(0)},
           r.write(0));
  }
};

// y = lambda / 2 * sum(w^2)
template <class T>
struct L2Op final : Op {
  int64_t n;
  double lambda;
  L2Op(int64_t n, double lambda) : n(n), lambda(lambda) {}
  std::string_view name() const override { return "l2_term"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {true},
            .output_in_backward = {false},
            .scratch = (reduce_partials(n) + 1) * int64_t{sizeof(double)}};
  }
  void forward(OpRun& r) const override {
    auto* total = reinterpret_cast<double*>(r.scratch());
    squared_norm(r.stream, n, r.in<T>(0), total + 1, total);
    map<T>(r.stream, FromDouble<T>{total, lambda / 2}, 1, {}, {r.out<T>()});
  }
  void backward(OpRun& r) const override {
    map<T>(r.stream, ScaleBy<T>{r.d_out<T>(), static_cast<T>(lambda)}, n, {r.in<T>(0)},
           {r.d_in<T>(0)}, r.write(0));
  }
};

}  // namespace

Variable sum(const Variable& x) {
  Recording& tape = Recording::of("sum", {&x});
  return record<SumOp>(tape, {x}, {Shape{1}}, x.shape().size(), 1.0)[0];
}

Variable mean(const Variable& x) {
  Recording& tape = Recording::of("mean", {&x});
  const int64_t n = x.shape().size();
  return record<SumOp>(tape, {x}, {Shape{1}}, n, 1.0 / static_cast<double>(n))[0];
}

Variable l2_term(const Variable& w, double lambda) {
  Recording& tape = Recording::of("l2_term", {&w});
  BASIN_CHECK(lambda >= 0, "[l2_term] lambda", "found {}, expected a number >= 0", lambda);
  return record<L2Op>(tape, {w}, {Shape{1}}, w.shape().size(), lambda)[0];
}

}  // namespace basin
