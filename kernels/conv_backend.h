// What stands behind Conv: one class a library, made for one shape. Private to the conv family.
#pragma once

#include <memory>
#include <string>

#include "kernels/conv.h"

namespace basin {

// The members of Conv, under the same contract; Conv has checked the shape and the passes.
template <class T>
class ConvBackend {
 public:
  virtual ~ConvBackend() = default;

  virtual int64_t packed_bytes() const = 0;
  virtual int64_t packed_gradient_size() const = 0;
  virtual int64_t scratch_bytes() const = 0;
  virtual void pack(const Stream& stream, const T* w, void* packed) const = 0;
  virtual void forward(const Stream& stream, const T* x, const T* w, const void* packed, T* y,
                       void* scratch) const = 0;
  virtual void backward_data(const Stream& stream, const T* dy, const T* w, const void* packed,
                             T* dx, Write mode, void* scratch) const = 0;
  virtual void backward_filter(const Stream& stream, const T* x, const T* dy, T* dw, Write mode,
                               void* scratch) const = 0;
  virtual void unpack_gradient(const Stream& stream, const T* packed_dw, T* dw,
                               Write mode) const = 0;
  virtual std::string description() const = 0;
};

// Any T: the loops of reference.h. T = float: oneDNN for each pass that it is fit for.
template <class T>
std::unique_ptr<ConvBackend<T>> make_loop_conv(const ConvShape& shape, ConvPasses passes);
std::unique_ptr<ConvBackend<float>> make_onednn_conv(const Stream& stream, const ConvShape& shape,
                                                     ConvPasses passes);

}  // namespace basin
