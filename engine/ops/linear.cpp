// Matrix products and the bias that follows them.
#include <algorithm>

#include "engine/ops.h"
#include "engine/record.h"
#include "kernels/bias.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/reduce.h"

namespace basin {
namespace {

// The three products of y = a op(b): the value, and both gradients.
template <class T>
struct Products final : OpState {
  Gemm<T> y, da, db;
  Products(const Stream& stream, const GemmShape& shape)
      : y(stream, shape),
        da(stream, {shape.m, shape.k, shape.n, Transpose::No, flipped(shape.b)}),
        db(stream, shape.b == Transpose::No
                       ? GemmShape{shape.k, shape.n, shape.m, Transpose::Yes, Transpose::No}
                       : GemmShape{shape.n, shape.k, shape.m, Transpose::Yes, Transpose::No}) {}
  static Transpose flipped(Transpose t) {
    return t == Transpose::No ? Transpose::Yes : Transpose::No;
  }
  int64_t scratch() const {
    return std::max({y.scratch_bytes(), da.scratch_bytes(), db.scratch_bytes()});
  }
};

// y = a b, or a b^T (linear): a: [m, k].
template <class T>
struct MatmulOp final : Op {
  GemmShape shape;
  int64_t scratch;
  MatmulOp(const GemmShape& shape, const Stream* stream)
      : shape(shape), scratch(Products<T>(*stream, shape).scratch()) {}
  std::string_view name() const override { return shape.b == Transpose::No ? "matmul" : "linear"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {true, true}, .output_in_backward = {false}, .scratch = scratch};
  }
  std::unique_ptr<OpState> make_state(const Stream& stream) const override {
    return std::make_unique<Products<T>>(stream, shape);
  }
  void forward(OpRun& r) const override {
    r.state<Products<T>>().y.run(r.stream, r.in<T>(0), r.in<T>(1), r.out<T>(), Write::Overwrite,
                                 r.scratch());
  }
  void backward(OpRun& r) const override {
    const Products<T>& products = r.state<Products<T>>();
    const T* dy = r.d_out<T>();
    if (r.wants(0)) {
      products.da.run(r.stream, dy, r.in<T>(1), r.d_in<T>(0), r.write(0), r.scratch());
    }
    if (!r.wants(1)) return;
    if (shape.b == Transpose::No) {  // db = a^T dy
      products.db.run(r.stream, r.in<T>(0), dy, r.d_in<T>(1), r.write(1), r.scratch());
    } else {  // dw = dy^T x
      products.db.run(r.stream, dy, r.in<T>(0), r.d_in<T>(1), r.write(1), r.scratch());
    }
  }
};

template <class T>
struct BiasOp final : Op {
  int64_t rows, columns;
  BiasOp(int64_t rows, int64_t columns) : rows(rows), columns(columns) {}
  std::string_view name() const override { return "bias"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false, false},
            .output_in_backward = {false},
            .passes = {0, -1},
            .scratch = column_sum_partials(rows, columns) * int64_t{sizeof(T)}};
  }
  void forward(OpRun& r) const override {
    bias_forward(r.stream, rows, columns, r.in<T>(0), r.in<T>(1), r.out<T>());
  }
  void backward(OpRun& r) const override {
    if (r.wants(1)) {
      column_sum(r.stream, rows, columns, r.d_out<T>(), reinterpret_cast<T*>(r.scratch()),
                 r.d_in<T>(1), r.write(1));
    }
    if (r.wants(0)) {
      map<T>(r.stream, Copy<T>{}, rows * columns, {r.d_out<T>()}, {r.d_in<T>(0)}, r.write(0));
    }
  }
};

Variable product(std::string_view op, const Variable& a, const Variable& b, Transpose transpose) {
  Recording& tape = Recording::of(op, {&a, &b});
  const std::string where = fmt::format("[{}]", op);
  BASIN_CHECK(a.shape().rank() == 2 && b.shape().rank() == 2, where,
              "found {} and {}, expected two matrices", a.shape(), b.shape());
  const bool plain = transpose == Transpose::No;
  const int64_t inner = plain ? b.shape()[0] : b.shape()[1];
  const int64_t columns = plain ? b.shape()[1] : b.shape()[0];
  BASIN_CHECK(a.shape()[1] == inner, where, "found {} and {}, expected an inner extent of {}",
              a.shape(), b.shape(), a.shape()[1]);
  const GemmShape shape{a.shape()[0], columns, inner, Transpose::No, transpose};
  const Stream* stream = &tape.stream;
  return record<MatmulOp>(tape, {a, b}, {Shape{shape.m, shape.n}}, shape, stream)[0];
}

}  // namespace

Variable matmul(const Variable& a, const Variable& b) {
  return product("matmul", a, b, Transpose::No);
}

Variable linear(const Variable& x, const Variable& w) {
  return product("linear", x, w, Transpose::Yes);
}

Variable bias(const Variable& x, const Variable& b) {
  Recording& tape = Recording::of("bias", {&x, &b});
  BASIN_CHECK(x.shape().rank() >= 1 && b.shape() == Shape{x.shape()[-1]}, "[bias] b",
              "found {}, expected [{}], the last extent of x {}", b.shape(),
              x.shape().rank() > 0 ? x.shape()[-1] : 0, x.shape());
  const int64_t columns = x.shape()[-1];
  return record<BiasOp>(tape, {x, b}, {x.shape()}, x.shape().size() / columns, columns)[0];
}

Variable linear(const Variable& x, const Variable& w, const Variable& b) {
  return bias(linear(x, w), b);
}

}  // namespace basin
