#include "engine/ghosts.h"

#include "engine/tape.h"
#include "kernels/elementwise.h"

namespace basin {

Ghosts::Ghosts(const Stream& stream, const Program& program) {
  for (const Node& node : program.nodes) {
    if (node.ghost >= 0) parameters.push_back(program.slots[node.inputs[1]].name);
  }
  const int64_t groups = program.groups * int64_t{sizeof(double)};
  kept = Buffer(stream, program.ghost_bytes);
  squared_norms = Buffer(stream, rows() * groups);
  scales = Buffer(stream, groups);
  zero(stream, squared_norms.data(), squared_norms.bytes());  // some may lead to no loss
}

int64_t Ghosts::bytes(const Program& program) {
  int64_t rows = 0;
  for (const Node& node : program.nodes) rows += node.ghost >= 0 ? 1 : 0;
  return program.ghost_bytes + (rows + 1) * program.groups * int64_t{sizeof(double)};
}

}  // namespace basin
