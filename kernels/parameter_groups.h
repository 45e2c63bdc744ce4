// A batch cut into equal groups of examples, each with parameters, or a parameter gradient, of its
// own: what m-SAM's kernels share.
#pragma once

#include <cstdint>

namespace basin {

// Group g's parameters lie g * stride elements (of the parameters' type) behind group 0's.
struct ParameterGroups {
  int64_t count = 1, stride = 0;
};

}  // namespace basin
