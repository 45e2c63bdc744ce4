// Element ops: one functor each (kernels/elementwise.h), forward and backward.
#include "kernels/elementwise.h"

#include "engine/ops.h"
#include "engine/record.h"

namespace basin {
namespace {

template <class T>
struct ReluOp final : Op {
  int64_t n;
  explicit ReluOp(int64_t n) : n(n) {}
  std::string_view name() const override { return "relu"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false}, .output_in_backward = {true}};
  }
  void forward(OpRun& r) const override {
    map<T>(r.stream, typename Relu<T>::Forward{}, n, {r.in<T>(0)}, {r.out<T>()});
  }
  void backward(OpRun& r) const override {
    map<T>(r.stream, typename Relu<T>::Backward{}, n, {r.d_out<T>(), r.out<T>()}, {r.d_in<T>(0)},
           r.write(0));
  }
};

template <class T>
struct SoftplusOp final : Op {
  int64_t n;
  T beta;
  SoftplusOp(int64_t n, double beta) : n(n), beta(static_cast<T>(beta)) {}
  std::string_view name() const override { return "softplus"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {true}, .output_in_backward = {false}};
  }
  void forward(OpRun& r) const override {
    map<T>(r.stream, typename Softplus<T>::Forward{beta}, n, {r.in<T>(0)}, {r.out<T>()});
  }
  void backward(OpRun& r) const override {
    map<T>(r.stream, typename Softplus<T>::Backward{beta}, n, {r.d_out<T>(), r.in<T>(0)},
           {r.d_in<T>(0)}, r.write(0));
  }
};

template <class T>
struct AddOp final : Op {
  int64_t n;
  explicit AddOp(int64_t n) : n(n) {}
  std::string_view name() const override { return "add"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false, false}, .output_in_backward = {false}, .passes = {0, 0}};
  }
  void forward(OpRun& r) const override {
    map<T>(r.stream, Add<T>{}, n, {r.in<T>(0), r.in<T>(1)}, {r.out<T>()});
  }
  void backward(OpRun& r) const override {
    for (int i = 0; i < 2; ++i) {
      if (r.wants(i)) {
        map<T>(r.stream, Copy<T>{}, n, {r.d_out<T>()}, {r.d_in<T>(i)}, r.write(i));
      }
    }
  }
};

template <class T>
struct MulOp final : Op {
  int64_t n;
  explicit MulOp(int64_t n) : n(n) {}
  std::string_view name() const override { return "mul"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {true, true}, .output_in_backward = {false}};
  }
  void forward(OpRun& r) const override {
    map<T>(r.stream, Mul<T>{}, n, {r.in<T>(0), r.in<T>(1)}, {r.out<T>()});
  }
  void backward(OpRun& r) const override {
    for (int i = 0; i < 2; ++i) {
      if (r.wants(i)) {
        map<T>(r.stream, Mul<T>{}, n, {r.d_out<T>(), r.in<T>(1 - i)}, {r.d_in<T>(i)}, r.write(i));
      }
    }
  }
};

template <class T>
struct ScaleOp final : Op {
  int64_t n;
  T factor;
  ScaleOp(int64_t n, double factor) : n(n), factor(static_cast<T>(factor)) {}
  std::string_view name() const override { return "scale"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false}, .output_in_backward = {false}};
  }
  void forward(OpRun& r) const override {
    map<T>(r.stream, Scale<T>{factor}, n, {r.in<T>(0)}, {r.out<T>()});
  }
  void backward(OpRun& r) const override {
    map<T>(r.stream, Scale<T>{factor}, n, {r.d_out<T>()}, {r.d_in<T>(0)}, r.write(0));
  }
};

Recording& of_equal_shapes(std::string_view op, const Variable& a, const Variable& b) {
  Recording& tape = Recording::of(op, {&a, &b});
  BASIN_CHECK(a.shape() == b.shape(), fmt::format("[{}] b", op), "found {}, expected a's shape {}",
              b.shape(), a.shape());
  return tape;
}

}  // namespace

Variable relu(const Variable& x) {
  Recording& tape = Recording::of("relu", {&x});
  return record<ReluOp>(tape, {x}, {x.shape()}, x.shape().size())[0];
}

Variable softplus(const Variable& x, double beta) {
  Recording& tape = Recording::of("softplus", {&x});
  BASIN_CHECK(beta > 0, "[softplus] beta", "found {}, expected a number above 0", beta);
  return record<SoftplusOp>(tape, {x}, {x.shape()}, x.shape().size(), beta)[0];
}

Variable add(const Variable& a, const Variable& b) {
  Recording& tape = of_equal_shapes("add", a, b);
  return record<AddOp>(tape, {a, b}, {a.shape()}, a.shape().size())[0];
}

Variable mul(const Variable& a, const Variable& b) {
  Recording& tape = of_equal_shapes("mul", a, b);
  return record<MulOp>(tape, {a, b}, {a.shape()}, a.shape().size())[0];
}

Variable scale(const Variable& x, double factor) {
  Recording& tape = Recording::of("scale", {&x});
  return record<ScaleOp>(tape, {x}, {x.shape()}, x.shape().size(), factor)[0];
}

}  // namespace basin
