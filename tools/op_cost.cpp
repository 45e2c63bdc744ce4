#include "tools/op_cost.h"

#include <algorithm>

#include "kernels/loss.h"
#include "kernels/norm_act.h"

namespace basin {
namespace {

bool written(GradientWrite write) {
  return write == GradientWrite::Overwrite || write == GradientWrite::Accumulate;
}

template <class T>
Cost norm_cost(const Program& program, const Node& n, Pass pass) {
  const Shape& x = program.slots[n.inputs[0]].shape;
  const NormShape shape{x[0], x.size() / x[0] / x[-1], x[-1], 1};
  const NormKind kind = n.op->name() == "group_norm_act" ? NormKind::Group
                        : program.mode == Mode::Training ? NormKind::Batch
                                                         : NormKind::Fixed;
  if (pass == Pass::Forward) {
    return norm_act_forward_cost<T>(kind, shape, n.needs.writes_adjoint_of_output >= 0);
  }
  const GradientWrite ds = n.needs.writes_adjoint_of_output >= 0 ? n.output_write : n.writes[0];
  return norm_act_backward_cost<T>(
      kind, shape, ds == GradientWrite::Accumulate ? Write::Accumulate : Write::Overwrite);
}

// Every operand once: in backward the adjoints of outputs, the values that the op asked for, and
// the gradients. Nothing where the plan left nothing to do.
Cost traffic(const Program& program, const Node& n, Pass pass) {
  const auto bytes = [&](int slot) { return program.slots[slot].bytes(); };
  const bool idle = pass == Pass::Forward ? n.needs.view
                                          : std::none_of(n.writes.begin(), n.writes.end(), written);
  if (idle) return {};
  Cost cost;
  (pass == Pass::Forward ? cost.bytes_written : cost.bytes_read) = n.needs.saved;
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    const bool read = pass == Pass::Forward || n.needs.input_in_backward[i];
    cost.bytes_read += read ? bytes(n.inputs[i]) : 0;
    if (pass == Pass::Forward || !written(n.writes[i])) continue;
    cost.bytes_written += bytes(n.inputs[i]);
    cost.bytes_read += n.writes[i] == GradientWrite::Accumulate ? bytes(n.inputs[i]) : 0;
  }
  for (size_t k = 0; k < n.outputs.size(); ++k) {
    const int64_t size = bytes(n.outputs[k]);
    if (pass == Pass::Forward) {
      cost.bytes_written += size;
    } else {
      cost.bytes_read += size + (n.needs.output_in_backward[k] ? size : 0);
    }
  }
  return cost;
}

}  // namespace

bool is_product(const Program& program, int node) {
  const std::string_view name = program.nodes[node].op->name();
  return name == "conv2d" || name == "linear" || name == "matmul";
}

Cost op_cost(const Program& program, int node, Pass pass) {
  const Node& n = program.nodes[node];
  const std::string_view name = n.op->name();
  const auto slot = [&](int index) -> const Slot& { return program.slots[index]; };
  if (is_product(program, node)) {
    const Slot &x = slot(n.inputs[0]), &w = slot(n.inputs[1]), &y = slot(n.outputs[0]);
    int64_t products = 1;
    if (pass == Pass::Backward) products = written(n.writes[0]) + written(n.writes[1]);
    // A sum for each output: over a linear layer's or filter's weights, or a plain product's rows.
    const int64_t terms = name == "matmul" ? w.shape[0] : w.shape.size() / w.shape[0];
    return {products * (x.bytes() + w.bytes()), products * y.bytes(),
            products * 2 * y.shape.size() * terms};
  }
  Cost cost = traffic(program, n, pass);
  if (name.ends_with("norm_act")) {
    return dispatch_activations(slot(n.inputs[0]).dtype,
                                [&]<class T>(T) { return norm_cost<T>(program, n, pass); });
  }
  dispatch(program.dtype, [&]<class T>(T) {
    if (name == "cross_entropy" && pass == Pass::Forward) {
      const Shape& z = slot(n.inputs[0]).shape;
      cost = cross_entropy_cost<T>(z[0], z[1]);
    }
  });
  return cost;
}

}  // namespace basin
