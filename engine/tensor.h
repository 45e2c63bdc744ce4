// A view of memory: pointer, shape, element type, device. Owns nothing.
#pragma once

#include "engine/dtype.h"
#include "engine/shape.h"
#include "kernels/stream.h"

namespace basin {

struct Tensor {
  std::byte* data = nullptr;
  Shape shape;
  DType dtype = DType::Float32;
  DeviceKind device = DeviceKind::Cpu;

  int64_t bytes() const { return shape.size() * dtype_size(dtype); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

}  // namespace basin
