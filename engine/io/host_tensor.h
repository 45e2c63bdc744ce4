// A tensor as a file has it: name, type, shape, bytes in row-major order, little-endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/dtype.h"

namespace basin {

static_assert(std::endian::native == std::endian::little, "files are read as they lie");

struct HostTensor {
  std::string name;
  DType dtype = DType::Float32;
  std::vector<int64_t> shape;
  std::vector<std::byte> data;
};

// The elements, and the bytes, of a shape from a file, or -1 where an extent is negative or the
// product overflows.
inline int64_t checked_elements(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(n, extent, &n)) return -1;
  }
  return n;
}
inline int64_t checked_bytes(const std::vector<int64_t>& shape, DType dtype) {
  int64_t bytes = checked_elements(shape);
  if (bytes >= 0 && __builtin_mul_overflow(bytes, dtype_size(dtype), &bytes)) return -1;
  return bytes;
}

}  // namespace basin
