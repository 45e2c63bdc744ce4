// All parameters of a model in one flat allocation, with named views. Gradients, momentum and
// w + eps are arenas of the same layout, so an optimiser's step is one kernel over one array.
//
// Names and logical shapes are PyTorch's. Inside the arena a tensor's channels stand last
// (logical [o, c, s] is stored as [o, s, c]: NHWC), and each tensor starts on a cache line; the
// gaps between tensors are zero in every arena and stay so.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/buffer.h"
#include "engine/dtype.h"
#include "engine/shape.h"
#include "engine/tensor.h"

namespace basin {

enum class Role { Weight, Bias, NormScale, NormBias, RunningMean, RunningVariance, Counter };

struct LayoutEntry {
  std::string name;
  Role role;
  std::vector<int64_t> logical;        // PyTorch's shape; empty for a scalar
  Shape shape;                         // as stored: what the tape sees
  int64_t outer, channels, positions;  // logical [outer, channels, positions]
  int64_t offset, size;                // in elements

  // Where the element at PyTorch's row-major index i stands, from the tensor's start.
  int64_t stored_index(int64_t i) const {
    const int64_t o = i / (channels * positions), c = i / positions % channels, s = i % positions;
    return (o * positions + s) * channels + c;
  }
};

class Layout {
 public:
  // A tensor stored as it is.
  void add(const std::string& name, Role role, const Shape& shape);
  // A convolution's weight: logical [out, in, k, k], stored [out, k, k, in].
  void add_conv(const std::string& name, int64_t out, int64_t in, int64_t kernel);
  // A linear layer's weight behind a flattened image: logical [out, c * positions], stored with
  // the channels last.
  void add_linear(const std::string& name, int64_t out, int64_t channels, int64_t positions);

  // All tensors but those of the names, moved together.
  Layout without(std::span<const std::string> names) const;

  const std::vector<LayoutEntry>& entries() const { return entries_; }
  const LayoutEntry* find(const std::string& name) const;
  const LayoutEntry& at(const std::string& name) const;  // throws, naming the nearest names
  int64_t size() const { return size_; }                 // elements, gaps included
  int64_t count() const;                                 // parameters, gaps not included

 private:
  void append(LayoutEntry entry);

  std::vector<LayoutEntry> entries_;
  int64_t size_ = 0;
};

using LayoutPtr = std::shared_ptr<const Layout>;

class Arena {
 public:
  Arena() = default;
  // Zero-filled, on the stream's device. `groups`: so many sets of parameters, one behind the other
  // (m-SAM: a point, or a gradient, of each group of examples).
  Arena(const Stream& stream, LayoutPtr layout, DType dtype, int64_t groups = 1);

  const LayoutPtr& layout() const { return layout_; }
  DType dtype() const { return dtype_; }
  DeviceKind device() const { return buffer_.device(); }
  int64_t groups() const { return groups_; }
  int64_t size() const { return layout_ ? layout_->size() : 0; }  // of one group
  int64_t bytes() const { return buffer_.bytes(); }               // of all
  std::byte* data(int64_t group = 0) const {
    return buffer_.data() + group * size() * dtype_size(dtype_);
  }
  template <class T>
  T* as(int64_t group = 0) const {
    return reinterpret_cast<T*>(data(group));
  }
  Tensor view(const std::string& name) const;
  Tensor view(const LayoutEntry& entry, int64_t group = 0) const;

  // A zero-filled arena of the same layout, type and device, of one group.
  Arena sibling(const Stream& stream) const { return Arena(stream, layout_, dtype_); }
  void copy_from(const Stream& stream, const Arena& other);
  // Copies the tensors that this layout, of one group, has from one that has them all in this
  // order.
  void gather(const Stream& stream, const Arena& all);

  // One tensor in PyTorch's order, to and from the host, as float64 or float32 values.
  std::vector<double> read(const Stream& stream, const LayoutEntry& entry, int64_t group = 0) const;
  void write(const Stream& stream, const LayoutEntry& entry, std::span<const double> values);

 private:
  LayoutPtr layout_;
  DType dtype_ = DType::Float32;
  int64_t groups_ = 1;
  Buffer buffer_;
};

// Calls f with a value of the type that `dtype` names: dispatch(d, [&]<class T>(T) { … }).
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  if (dtype == DType::Float64) return f(double{});
  if (dtype == DType::Float32) return f(float{});
  fail("dtype", "found {}, expected float32 or float64", dtype_name(dtype));
}
// The same for the types of activations, bfloat16 among them.
template <class F>
decltype(auto) dispatch_activations(DType dtype, F&& f) {
  if (dtype == DType::BFloat16) return f(bfloat16{});
  return dispatch(dtype, std::forward<F>(f));
}

}  // namespace basin
