// 2-D convolution (cross-correlation), NHWC, square kernel, equal stride and padding in both
// directions. Winograd or oneDNN on a CPU, tiles (conv_tile.h) or cuDNN on CUDA, plain loops in
// float64 (reference.h). In
// bfloat16 (on a CPU that multiplies it, and on CUDA) the images and their gradients are bfloat16;
// w and its gradient are float, w rounded where it is packed, dw summed in float (cuDNN rounds each
// call's sum to bfloat16).
//
//   x: [n, h, w, c_in]   w: [c_out, kernel, kernel, c_in]   y: [n, h_out, w_out, c_out]
#pragma once

#include <memory>
#include <string>

#include "kernels/bfloat16.h"
#include "kernels/cost.h"
#include "kernels/stream.h"

namespace basin {

struct ConvShape {
  int64_t n, h, w, c_in, c_out;
  int64_t kernel, stride, padding;
  constexpr int64_t h_out() const { return (h + 2 * padding - kernel) / stride + 1; }
  constexpr int64_t w_out() const { return (w + 2 * padding - kernel) / stride + 1; }
  constexpr int64_t input_size() const { return n * h * w * c_in; }
  constexpr int64_t weight_size() const { return c_out * kernel * kernel * c_in; }
  constexpr int64_t output_size() const { return n * h_out() * w_out() * c_out; }
  bool operator==(const ConvShape&) const = default;
};

// "conv 3x3 stride 1 padding 1, x [32, 32, 32, 16] -> y [32, 32, 32, 16]", for errors and tables.
std::string to_string(const ConvShape& shape);

// Which passes a convolution must be able to run.
enum class ConvPasses { Forward, ForwardAndFilter, All };

// How float32 is convolved: on a CPU Winograd's way (winograd.h) where it fits the shape, or always
// directly; Auto is Winograd where it also is the faster one. On CUDA Auto and Direct are Basin's
// tiles, but for Auto's weight gradient of many channels, which is cuDNN's; with TF32 they are the
// choice of cuDNN, without its Winograd and Fourier engines for Direct. Measured is cuDNN's fastest
// engine in any type, timed when a shape is first seen on a stream. Such a one may sum in another
// order every time (in float32 those are faster by far), and another run may choose another.
enum class ConvAlgorithm { Auto, Winograd, Direct, Measured };

// What any one of the three passes costs at least: two of x, w and y are read, the third written.
// A product with the padding counts like any other, as is the custom.
template <class T>
Cost conv_cost(const ConvShape& shape) {
  const int64_t x = shape.input_size(), w = shape.weight_size(), y = shape.output_size();
  const int64_t size = sizeof(T), weight = sizeof(Wide<T>);
  return {x * size + w * weight, y * size, 2 * y * shape.kernel * shape.kernel * shape.c_in};
}

template <class T>
class ConvBackend;

// One convolution made ready for a shape and the stream's thread count. Library primitives and
// descriptors are made here, never in a call below. Not shared between threads: each workspace
// has its own. Weights are packed into the library's layouts once per point in parameter space;
// the weight gradient is written in a packed layout of its own, which may be summed element by
// element over chunks and workspaces (any padding in it is zero), and is unpacked once.
// `packed` and `scratch` are 64-byte aligned, on CUDA every array is 16-byte aligned; every stream
// is on the constructor's device and has its thread count.
template <class T>
class Conv {
 public:
  // A shape that makes no image is an Error(Usage), and one that only a plain loop convolves in
  // bfloat16, and bfloat16 where it would be emulated; a pass left out of `passes` is one when
  // called. One for which cuDNN has no fit engine is an Error(Run).
  Conv(const Stream& stream, const ConvShape& shape, ConvPasses passes,
       ConvAlgorithm algorithm = ConvAlgorithm::Auto);
  ~Conv();
  Conv(Conv&&) noexcept;

  // Bytes of the packed weights; 0 where w is used as it is.
  int64_t packed_bytes() const;
  // Elements of the packed weight gradient; 0 where it is written in w's own layout.
  int64_t packed_gradient_size() const;
  // The most that any call below needs.
  int64_t scratch_bytes() const;

  // Does nothing where packed_bytes() is 0.
  void pack(const Stream& stream, const Wide<T>* w, void* packed) const;
  void forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed, T* y,
               void* scratch) const;
  // dx (=, +=) the gradient with respect to x.
  void backward_data(const Stream& stream, const T* dy, const Wide<T>* w, const void* packed, T* dx,
                     Write mode, void* scratch) const;
  // dw (=, +=) the gradient with respect to w, packed if packed_gradient_size() > 0.
  void backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw, Write mode,
                       void* scratch) const;
  // dw (=, +=) the packed gradient in w's own layout; an Error where nothing is packed.
  void unpack_gradient(const Stream& stream, const Wide<T>* packed_dw, Wide<T>* dw,
                       Write mode) const;

  // The library's name for what runs each pass: "jit:avx512_core | jit:avx512_core | …",
  // "cudnn engine 12 | 3 | 7 winograd", "tile 128x64 | tile 64x32 of 3 parts | tile 64x32".
  std::string description() const;

 private:
  ConvPasses passes_;
  std::unique_ptr<ConvBackend<T>> backend_;
};

}  // namespace basin
