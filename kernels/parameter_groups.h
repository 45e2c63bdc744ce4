// A batch cut into equal groups of examples, each with parameters, or a parameter gradient, of its
// own: what m-SAM's kernels share.
#pragma once

#include <cstdint>

#include "kernels/platform.h"

namespace basin {

// Group g's parameters lie g * stride elements (of the parameters' type) behind group 0's.
struct ParameterGroups {
  int64_t count = 1, stride = 0;

  // Of the parameters of example i of n, a multiple of count.
  BASIN_HD int64_t offset_of(int64_t i, int64_t n) const {
    return count == 1 ? 0 : i / (n / count) * stride;
  }
};

}  // namespace basin
