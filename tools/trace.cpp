#include "tools/trace.h"

#include <fmt/format.h>

namespace basin {

std::string describe(const Program& program, int node) {
  const Node& n = program.nodes[node];
  std::string text(n.op->name());
  for (const int input : n.inputs) text += fmt::format(" {}", program.slots[input].shape);
  return text + fmt::format(" -> {}", program.slots[n.outputs[0]].shape);
}

OpWork work_of(const Program& program, int node, Pass pass) {
  const Node& n = program.nodes[node];
  const auto size = [&](int slot) { return program.slots[slot].shape.size(); };
  OpWork work;
  int64_t elements = 0, gradients = 0;
  for (const int slot : n.inputs) elements += size(slot);
  for (const int slot : n.outputs) elements += size(slot);
  for (const GradientWrite write : n.writes) {
    gradients += write == GradientWrite::None || write == GradientWrite::Shared ? 0 : 1;
  }
  const int64_t passes = pass == Pass::Forward ? 1 : gradients;
  work.bytes = passes * elements * dtype_size(program.dtype);
  const std::string_view name = n.op->name();
  if (name == "conv2d" || name == "linear" || name == "matmul") {
    const int64_t out = size(n.outputs[0]), weights = size(n.inputs[1]);
    const Shape& w = program.slots[n.inputs[1]].shape;
    work.flops = passes * 2 * out * (weights / w[0]);
  }
  return work;
}

}  // namespace basin
