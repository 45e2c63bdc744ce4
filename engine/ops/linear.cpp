// Matrix products and the bias that follows them.
#include <algorithm>
#include <optional>

#include "engine/ops.h"
#include "engine/record.h"
#include "kernels/bias.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/ghost.h"
#include "kernels/reduce.h"

namespace basin {
namespace {

// How the b of a product is one per group of a's rows: its own groups, and the rows' strides.
GemmBatch batch_of(ParameterGroups groups, int64_t a, int64_t c) {
  return {.count = groups.count, .a = a, .b = groups.stride, .c = c};
}

// The three products of y = a op(b): the value, and both gradients. `groups`: of a's and y's rows,
// each with a b (or its gradient) of its own.
template <class T>
struct Products final : OpState {
  Gemm<T> y, da, db;
  Products(const Stream& stream, const GemmShape& s, ParameterGroups groups = {})
      : y(stream, s, batch_of(groups, s.m * s.k, s.m * s.n)),
        da(stream, {s.m, s.k, s.n, Transpose::No, flipped(s.b)},
           batch_of(groups, s.m * s.n, s.m * s.k)),
        db(stream,
           s.b == Transpose::No ? GemmShape{s.k, s.n, s.m, Transpose::Yes, Transpose::No}
                                : GemmShape{s.n, s.k, s.m, Transpose::Yes, Transpose::No},
           batch_of_gradient(s, groups)) {}
  static Transpose flipped(Transpose t) {
    return t == Transpose::No ? Transpose::Yes : Transpose::No;
  }
  static GemmBatch batch_of_gradient(const GemmShape& s, ParameterGroups groups) {
    const int64_t x = s.m * s.k, dy = s.m * s.n;
    const bool plain = s.b == Transpose::No;
    return {.count = groups.count, .a = plain ? x : dy, .b = plain ? dy : x, .c = groups.stride};
  }
  int64_t scratch() const {
    return std::max({y.scratch_bytes(), da.scratch_bytes(), db.scratch_bytes()});
  }
};

// How a product is recorded: `groups` of a's rows, each with a b of its own if b alone is a
// parameter; of several, with a ghost?
struct MatmulRecord {
  GemmShape shape;
  int64_t groups;
  bool ghost;

  GhostShape ghost_shape() const { return {groups, shape.m / groups, shape.k, shape.n}; }
};

// The products of the whole batch and, on a tape of groups, of the groups or of their ghost.
template <class T>
struct MatmulState final : OpState {
  Products<T> whole;
  std::optional<Products<T>> grouped;
  std::optional<GhostProduct<T>> ghost;
  MatmulState(const Stream& stream, const MatmulRecord& r, int64_t stride)
      : whole(stream, r.shape) {
    GemmShape each = r.shape;
    each.m /= r.groups;
    if (r.ghost) {
      ghost.emplace(stream, r.ghost_shape());
    } else if (r.groups > 1) {
      grouped.emplace(stream, each, ParameterGroups{r.groups, stride});
    }
  }
  const Products<T>& of(ParameterGroups groups) const {
    return groups.count > 1 && grouped ? *grouped : whole;
  }
  int64_t scratch() const {
    return std::max({whole.scratch(), grouped ? grouped->scratch() : int64_t{0},
                     ghost ? ghost->scratch_bytes() : int64_t{0}});
  }
};

// y = a b, or a b^T (linear): a: [m, k].
template <class T>
struct MatmulOp final : Op {
  MatmulRecord record;
  int64_t scratch, ghost = 0;
  MatmulOp(const MatmulRecord& record, const Program* program, const Stream* stream)
      : record(record) {
    const MatmulState<T> state(*stream, record, program->parameters->size());
    scratch = state.scratch();
    if (state.ghost) ghost = state.ghost->kept_bytes();
  }
  std::string_view name() const override {
    return record.shape.b == Transpose::No ? "matmul" : "linear";
  }
  OpNeeds needs() const override {
    return {.input_in_backward = {true, true},
            .output_in_backward = {false},
            .scratch = scratch,
            .grouped = record.groups > 1,
            .ghost = ghost};
  }
  std::unique_ptr<OpState> make_state(const Stream& stream, ParameterGroups groups) const override {
    return std::make_unique<MatmulState<T>>(stream, record, groups.stride);
  }
  void forward(OpRun& r) const override {
    const MatmulState<T>& state = r.state<MatmulState<T>>();
    state.of(r.parameters())
        .y.run(r.stream, r.in<T>(0), r.in<T>(1), r.out<T>(), Write::Overwrite, r.scratch());
    if (const auto ghost = r.ghost(); ghost && r.parameters().count > 1) {
      state.ghost->add_to_output(r.stream, r.in<T>(0), ghost->kept, ghost->scales, r.out<T>(),
                                 r.scratch());
    }
  }
  void backward(OpRun& r) const override {
    const MatmulState<T>& state = r.state<MatmulState<T>>();
    const auto ghost = r.ghost();
    const T* dy = r.d_out<T>();
    if (r.wants(0)) {
      state.of(r.parameters())
          .da.run(r.stream, dy, r.in<T>(1), r.d_in<T>(0), r.write(0), r.scratch());
      if (ghost && r.parameters().count > 1) {
        state.ghost->data_gradient(r.stream, dy, ghost->kept, ghost->scales, r.d_in<T>(0),
                                   Write::Accumulate, r.scratch());
      }
    }
    if (!r.wants(1)) return;
    if (ghost && r.gradients().count > 1) {
      state.ghost->keep(r.stream, r.in<T>(0), dy, ghost->kept, ghost->squared_norms, r.scratch());
      return;
    }
    const Gemm<T>& db = state.of(r.gradients()).db;
    if (record.shape.b == Transpose::No) {  // db = a^T dy
      db.run(r.stream, r.in<T>(0), dy, r.d_in<T>(1), r.write(1), r.scratch());
    } else {  // dw = dy^T x
      db.run(r.stream, dy, r.in<T>(0), r.d_in<T>(1), r.write(1), r.scratch());
    }
  }
};

template <class T>
struct BiasOp final : Op {
  int64_t rows, columns, scratch;
  BiasOp(int64_t rows, int64_t columns, int64_t groups)
      : rows(rows),
        columns(columns),
        scratch(column_sum_partials(rows, columns, groups) * int64_t{sizeof(T)}) {}
  std::string_view name() const override { return "bias"; }
  OpNeeds needs() const override {
    return {.input_in_backward = {false, false},
            .output_in_backward = {false},
            .passes = {0, -1},
            .scratch = scratch,
            .grouped = true};
  }
  void forward(OpRun& r) const override {
    bias_forward(r.stream, rows, columns, r.in<T>(0), r.in<T>(1), r.out<T>(), r.parameters());
  }
  void backward(OpRun& r) const override {
    if (r.wants(1)) {
      column_sum(r.stream, rows, columns, r.d_out<T>(), reinterpret_cast<T*>(r.scratch()),
                 r.d_in<T>(1), r.write(1), r.gradients());
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
  const auto is_parameter = [&](const Variable& v) {
    return tape.program->slots[v.slot()].kind == SlotKind::Parameter;
  };
  const Program& program = *tape.program;
  MatmulRecord record{shape, is_parameter(b) && !is_parameter(a) ? program.groups : 1, false};
  record.ghost =
      program.ghosts && record.groups > 1 && !plain && ghost_is_smaller(record.ghost_shape());
  return basin::record<MatmulOp>(tape, {a, b}, {Shape{shape.m, shape.n}}, record, &program,
                                 &tape.stream)[0];
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
  return record<BiasOp>(tape, {x, b}, {x.shape()}, x.shape().size() / columns, columns,
                        tape.program->groups)[0];
}

Variable linear(const Variable& x, const Variable& w, const Variable& b) {
  return bias(linear(x, w), b);
}

}  // namespace basin
