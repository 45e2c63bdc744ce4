// What stands behind Conv: one class a library, made for one shape. Private to the conv family.
#pragma once

#include <memory>
#include <string>

#include "kernels/conv.h"
#include "kernels/parameter_groups.h"

namespace basin {

// An Error(Usage) where it makes no image.
void check_conv_shape(const ConvShape& shape);
// The same where a pass is called that it was made without.
void check_has_data(ConvPasses passes);
void check_has_filter(ConvPasses passes);

// The members of Conv, under the same contract; Conv has checked the shape and the passes.
template <class T>
class ConvBackend {
 public:
  virtual ~ConvBackend() = default;

  virtual int64_t packed_bytes() const = 0;
  virtual int64_t packed_gradient_size() const = 0;
  virtual int64_t scratch_bytes() const = 0;
  virtual void pack(const Stream& stream, const Wide<T>* w, void* packed) const = 0;
  virtual void forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed, T* y,
                       void* scratch) const = 0;
  virtual void backward_data(const Stream& stream, const T* dy, const Wide<T>* w,
                             const void* packed, T* dx, Write mode, void* scratch) const = 0;
  virtual void backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw,
                               Write mode, void* scratch) const = 0;
  virtual void unpack_gradient(const Stream& stream, const Wide<T>* packed_dw, Wide<T>* dw,
                               Write mode) const = 0;
  virtual std::string description() const = 0;
};

// The loops of reference.h, which need no packing and no scratch: float64's backend on every
// device, and the one of each float32 pass that oneDNN is not fit for.
template <class T>
class LoopConv : public ConvBackend<T> {
 public:
  explicit LoopConv(const ConvShape& shape) : shape_(shape) {}

  int64_t packed_bytes() const override { return 0; }
  int64_t packed_gradient_size() const override { return 0; }
  int64_t scratch_bytes() const override { return 0; }
  void pack(const Stream&, const Wide<T>*, void*) const override {}
  void forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed, T* y,
               void* scratch) const override;
  void backward_data(const Stream& stream, const T* dy, const Wide<T>* w, const void* packed, T* dx,
                     Write mode, void* scratch) const override;
  void backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw, Write mode,
                       void* scratch) const override;
  void unpack_gradient(const Stream&, const Wide<T>*, Wide<T>*, Write) const override {}
  std::string description() const override { return "loops | loops | loops"; }

 private:
  ConvShape shape_;
};

// T: float, bfloat16.
template <class T>
std::unique_ptr<ConvBackend<T>> make_onednn_conv(const Stream& stream, const ConvShape& shape,
                                                 ConvPasses passes);
// kernel 1, stride 2 or more, padding 0.
template <class T>
std::unique_ptr<ConvBackend<T>> make_strided_pointwise_conv(const Stream& stream,
                                                            const ConvShape& shape,
                                                            ConvPasses passes);

// The CUDA side.
namespace cuda {
// cuDNN's, or Basin's tiles (conv_cuda.cu). T: float, bfloat16.
template <class T>
std::unique_ptr<ConvBackend<T>> make_conv(const Stream& stream, const ConvShape& shape,
                                          ConvPasses passes, ConvAlgorithm algorithm);
// The loops (conv_reference.cu).
void conv_forward(const Stream& stream, const ConvShape& s, const double* x, const double* w,
                  double* y);
void conv_backward_data(const Stream& stream, const ConvShape& s, const double* dy, const double* w,
                        double* dx, Write mode);
void conv_backward_filter(const Stream& stream, const ConvShape& s, const double* x,
                          const double* dy, double* dw, Write mode);
// Of several groups (group_conv.cu). T: float, by tiles where they fit; double, by the loops.
template <class T>
std::unique_ptr<ConvBackend<T>> make_group_conv(const ConvShape& group_shape,
                                                ParameterGroups groups, ConvPasses passes);
}  // namespace cuda

}  // namespace basin
