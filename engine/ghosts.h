// What a tape of several groups keeps of the pass at w, in place of a gradient and a point of each
// group: for each op with a ghost (kernels/ghost.h) its operands and the norms of its gradients.
#pragma once

#include <string>
#include <vector>

#include "engine/buffer.h"

namespace basin {

struct Program;

struct Ghosts {
  Ghosts() = default;
  Ghosts(const Stream& stream, const Program& program);
  static int64_t bytes(const Program& program);

  int64_t rows() const { return static_cast<int64_t>(parameters.size()); }

  std::vector<std::string> parameters;  // whose gradients they are, by row
  Buffer kept;
  Buffer squared_norms;  // float64 [rows, groups]
  Buffer scales;         // float64 [groups]: eps of a group is so many times its gradient
};

// One op's part of them.
struct GhostPlace {
  std::byte* kept = nullptr;
  double* squared_norms = nullptr;  // [groups]
  const double* scales = nullptr;   // [groups]
};

}  // namespace basin
