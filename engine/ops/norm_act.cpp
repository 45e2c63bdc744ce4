// Batch and group normalisation with ReLU, and with a residual's add before them.
//
// With a residual the op has two outputs, y and sum: backward writes the gradient of sum into sum's
// own adjoint, which x and the residual then share (OpNeeds::passes). Without one it writes dx.
#include "kernels/norm_act.h"

#include "engine/ops.h"
#include "engine/record.h"
#include "kernels/convert.h"
#include "kernels/elementwise.h"

namespace basin {
namespace {

enum class Residual { No, Yes };
enum class Statistics { Batch, Fixed };

// Inputs: x, gamma, beta, (residual). Outputs: y, (sum).
OpNeeds norm_needs(Residual residual, int64_t saved, int64_t scratch) {
  if (residual == Residual::No) {
    return {.input_in_backward = {true, true, true},
            .output_in_backward = {false},
            .saved = saved,
            .scratch = scratch};
  }
  return {.input_in_backward = {false, true, true, false},
          .output_in_backward = {false, true},
          .passes = {1, -1, -1, 1},
          .writes_adjoint_of_output = 1,
          .saved = saved,
          .scratch = scratch};
}

// The pointers that every kind of norm passes to its kernels. T is the type of the activations.
template <class T>
struct NormPointers {
  const T *x, *residual;
  const Wide<T>*gamma, *beta;
  T *y, *sum;
  NormPointers(const OpRun& r, Residual with)
      : x(r.in<T>(0)),
        residual(with == Residual::Yes ? r.in<T>(3) : nullptr),
        gamma(r.in<Wide<T>>(1)),
        beta(r.in<Wide<T>>(2)),
        y(r.out<T>(0)),
        sum(with == Residual::Yes ? r.out<T>(1) : nullptr) {}
  const T* s() const { return residual != nullptr ? sum : x; }
};

// Where backward writes the gradient of the sum; what the plan could not share is copied.
template <class T>
T* ds_of(const OpRun& r, Residual residual) {
  return residual == Residual::Yes ? r.d_out<T>(1) : r.d_in<T>(0);
}
Write ds_write(const OpRun& r, Residual residual) {
  return residual == Residual::Yes ? r.output_write() : r.write(0);
}
template <class T>
void pass_on(const OpRun& r, Residual residual, int64_t n) {
  if (residual == Residual::No) return;
  for (const int i : {0, 3}) {
    if (r.wants(i)) convert(r.stream, n, r.d_out<T>(1), r.d_in<T>(i), r.write(i));
  }
}

template <class T>
struct GroupNormActOp final : Op {
  NormShape shape;
  double eps;
  Activation act;
  Residual residual;
  int64_t scratch;
  GroupNormActOp(const NormShape& shape, const GroupNormOptions& o, Residual residual,
                 const Stream& stream)
      : shape(shape),
        eps(o.eps),
        act(o.activation),
        residual(residual),
        scratch(group_norm_act_scratch<T>(stream, shape)) {}

  std::string_view name() const override { return "group_norm_act"; }
  OpNeeds needs() const override {
    OpNeeds needs =
        norm_needs(residual, 2 * shape.n * shape.groups * int64_t{sizeof(Wide<T>)}, scratch);
    needs.grouped = true;
    return needs;
  }
  Wide<T>* mean(OpRun& r) const { return reinterpret_cast<Wide<T>*>(r.saved()); }
  Wide<T>* rstd(OpRun& r) const { return mean(r) + shape.n * shape.groups; }

  void forward(OpRun& r) const override {
    const NormPointers<T> p(r, residual);
    group_norm_act_forward(r.stream, shape, p.x, p.residual, p.gamma, p.beta, eps, act, p.sum, p.y,
                           mean(r), rstd(r), r.scratch(), r.parameters());
  }
  void backward(OpRun& r) const override {
    const NormPointers<T> p(r, residual);
    group_norm_act_backward(r.stream, shape, r.d_out<T>(0), p.s(), p.gamma, p.beta, mean(r),
                            rstd(r), act, ds_of<T>(r, residual), ds_write(r, residual),
                            r.d_in<Wide<T>>(1), r.d_in<Wide<T>>(2), r.write(1), r.scratch(),
                            r.parameters(), r.gradients());
    pass_on<T>(r, residual, shape.size());
  }
};

template <class T>
struct BatchNormActOp final : Op {
  NormShape shape;
  double eps, momentum;
  Activation act;
  Residual residual;
  Statistics statistics;
  int64_t running_mean, running_variance, counter;  // offsets in the buffers' arena
  int64_t scratch;
  BatchNormActOp(const NormShape& shape, const BatchNormOptions& o, Residual residual,
                 Statistics statistics, const Layout* buffers, const Stream& stream)
      : shape(shape),
        eps(o.eps),
        momentum(o.momentum),
        act(o.activation),
        residual(residual),
        statistics(statistics),
        running_mean(buffers->at(o.running_mean).offset),
        running_variance(buffers->at(o.running_variance).offset),
        counter(buffers->at(o.counter).offset),
        scratch(batch_norm_act_scratch<T>(stream, shape)) {}

  std::string_view name() const override { return "batch_norm_act"; }
  OpNeeds needs() const override {
    return norm_needs(residual, 3 * shape.c * int64_t{sizeof(Wide<T>)}, scratch);
  }
  Wide<T>* mean(OpRun& r) const { return reinterpret_cast<Wide<T>*>(r.saved()); }
  Wide<T>* rstd(OpRun& r) const { return mean(r) + shape.c; }
  Wide<T>* variance(OpRun& r) const { return mean(r) + 2 * shape.c; }

  void forward(OpRun& r) const override {
    const NormPointers<T> p(r, residual);
    if (statistics == Statistics::Batch) {
      batch_norm_act_forward(r.stream, shape, p.x, p.residual, p.gamma, p.beta, eps, act, p.sum,
                             p.y, mean(r), rstd(r), variance(r), r.scratch());
    } else {
      fixed_norm_act_forward(r.stream, shape, p.x, p.residual, p.gamma, p.beta,
                             r.running<Wide<T>>(running_mean), r.running<Wide<T>>(running_variance),
                             eps, act, p.sum, p.y, rstd(r));
      map<Wide<T>>(r.stream, Copy<Wide<T>>{}, shape.c, {r.running<Wide<T>>(running_mean)},
                   {mean(r)});
    }
  }
  void backward(OpRun& r) const override {
    const NormPointers<T> p(r, residual);
    const auto kernel =
        statistics == Statistics::Batch ? batch_norm_act_backward<T> : fixed_norm_act_backward<T>;
    kernel(r.stream, shape, r.d_out<T>(0), p.s(), p.gamma, p.beta, mean(r), rstd(r), act,
           ds_of<T>(r, residual), ds_write(r, residual), r.d_in<Wide<T>>(1), r.d_in<Wide<T>>(2),
           r.write(1), r.scratch());
    pass_on<T>(r, residual, shape.size());
  }
  void track(OpRun& r) const override {
    if (statistics == Statistics::Fixed) return;
    update_running_statistics(r.stream, shape.c, r.momentum.value_or(momentum), mean(r),
                              variance(r), r.running<Wide<T>>(running_mean),
                              r.running<Wide<T>>(running_variance));
    map<Wide<T>>(r.stream, Fill<Wide<T>>{Wide<T>(1)}, 1, {}, {r.running<Wide<T>>(counter)},
                 Write::Accumulate);
  }
};

// Checks the operands; returns the shape with one group.
NormShape norm_shape(const Recording& tape, std::string_view op, const Variable& x,
                     const Variable* residual, const Variable& gamma, const Variable& beta) {
  const std::string where = fmt::format("[{}]", op);
  const Shape& s = x.shape();
  BASIN_CHECK(s.rank() >= 2, where + " x", "found {}, expected [n,…,c]", s);
  const Shape c{s[-1]};
  BASIN_CHECK(gamma.shape() == c && beta.shape() == c, where,
              "found gamma {} and beta {}, expected {} for x {}", gamma.shape(), beta.shape(), c,
              s);
  for (const Variable* v : {&gamma, &beta}) {
    BASIN_CHECK(tape.program->slots[v->slot()].kind == SlotKind::Parameter, where,
                "found '{}', which is no parameter, for gamma or beta", v->name());
  }
  BASIN_CHECK(residual == nullptr || residual->shape() == s, where + " residual",
              "found {}, expected x's shape {}", residual == nullptr ? s : residual->shape(), s);
  BASIN_CHECK(residual == nullptr || residual->dtype() == x.dtype(), where + " residual",
              "found {}, expected x's type {}",
              dtype_name((residual == nullptr ? x : *residual).dtype()), dtype_name(x.dtype()));
  return {s[0], s.size() / s[0] / s[-1], s[-1], 1};
}

// What either norm is recorded with: its operands and outputs, with or without a residual.
struct Operands {
  Residual residual;
  std::vector<Variable> inputs;
  std::vector<Shape> outputs;
  Operands(const Variable& x, const Variable* added, const Variable& gamma, const Variable& beta)
      : residual(added == nullptr ? Residual::No : Residual::Yes),
        inputs{x, gamma, beta},
        outputs{x.shape()} {
    if (added == nullptr) return;
    inputs.push_back(*added);
    outputs.push_back(x.shape());
  }
};

std::vector<Variable> group_norm(const Variable& x, const Variable* residual, const Variable& gamma,
                                 const Variable& beta, const GroupNormOptions& o) {
  Recording& tape =
      Recording::of("group_norm_act", {&x, &gamma, &beta, residual == nullptr ? &x : residual});
  NormShape shape = norm_shape(tape, "group_norm_act", x, residual, gamma, beta);
  BASIN_CHECK(o.groups >= 1 && shape.c % o.groups == 0, "[group_norm_act] groups",
              "found {}, expected a divisor of the {} channels of x {}", o.groups, shape.c,
              x.shape());
  shape.groups = o.groups;
  const Operands operands(x, residual, gamma, beta);
  return record_activations<GroupNormActOp>(tape, operands.inputs, operands.outputs, shape, o,
                                            operands.residual, tape.stream);
}

std::vector<Variable> batch_norm(const Variable& x, const Variable* residual, const Variable& gamma,
                                 const Variable& beta, const BatchNormOptions& o) {
  Recording& tape =
      Recording::of("batch_norm_act", {&x, &gamma, &beta, residual == nullptr ? &x : residual});
  const NormShape shape = norm_shape(tape, "batch_norm_act", x, residual, gamma, beta);
  const Layout* buffers = tape.program->buffers.get();
  BASIN_CHECK(buffers != nullptr, "[batch_norm_act]",
              "the tape has no buffers, expected an arena of running statistics");
  const Statistics statistics =
      tape.program->mode == Mode::Training ? Statistics::Batch : Statistics::Fixed;
  const Operands operands(x, residual, gamma, beta);
  return record_activations<BatchNormActOp>(tape, operands.inputs, operands.outputs, shape, o,
                                            operands.residual, statistics, buffers, tape.stream);
}

}  // namespace

Variable group_norm_act(const Variable& x, const Variable& gamma, const Variable& beta,
                        const GroupNormOptions& options) {
  return group_norm(x, nullptr, gamma, beta, options)[0];
}
NormActResult group_norm_act(const Variable& x, const Variable& residual, const Variable& gamma,
                             const Variable& beta, const GroupNormOptions& options) {
  const auto outputs = group_norm(x, &residual, gamma, beta, options);
  return {outputs[0], outputs[1]};
}
Variable batch_norm_act(const Variable& x, const Variable& gamma, const Variable& beta,
                        const BatchNormOptions& options) {
  return batch_norm(x, nullptr, gamma, beta, options)[0];
}
NormActResult batch_norm_act(const Variable& x, const Variable& residual, const Variable& gamma,
                             const Variable& beta, const BatchNormOptions& options) {
  const auto outputs = batch_norm(x, &residual, gamma, beta, options);
  return {outputs[0], outputs[1]};
}

}  // namespace basin
