// A convolution of several groups of examples, each with weights, or a weight gradient, of its own.
// On a CPU a Conv a thread, which takes one group after the other. On CUDA one launch a pass (two
// where sums are split), whatever the number of groups: Basin's tiles in float32, plain loops in
// float64 and where no tile fits. bfloat16 is for the CPU alone.
//
//   x: [count, m, h, w, c_in]   w: [c_out, kernel, kernel, c_in] a group, groups.stride apart
//   y: [count, m, h_out, w_out, c_out]   m: the examples of a group
#pragma once

#include <memory>
#include <string>

#include "kernels/conv.h"
#include "kernels/parameter_groups.h"

namespace basin {

// What any one of the passes costs at least: that of each group alone.
template <class T>
Cost group_conv_cost(const ConvShape& group_shape, int64_t count) {
  const Cost one = conv_cost<T>(group_shape);
  return {count * one.bytes_read, count * one.bytes_written, count * one.flops};
}

// Made ready as a Conv is, under the same rules for alignment, streams and threads; but the weight
// gradient lies in w's own layout.
template <class T>
class GroupConv {
 public:
  // group_shape: its n is m. `algorithm` is for the CPU. As with Conv, what cannot be is an
  // Error(Usage); so are groups whose weights overlap, and bfloat16 on CUDA.
  GroupConv(const Stream& stream, const ConvShape& group_shape, ParameterGroups groups,
            ConvPasses passes, ConvAlgorithm algorithm = ConvAlgorithm::Auto);
  ~GroupConv();
  GroupConv(GroupConv&&) noexcept;

  // Of the packed weights of all groups; 0 where w is used as it is.
  int64_t packed_bytes() const;
  // The most that any call below needs.
  int64_t scratch_bytes() const;

  // Does nothing where packed_bytes() is 0.
  void pack(const Stream& stream, const Wide<T>* w, void* packed) const;
  void forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed, T* y,
               void* scratch) const;
  // dx (=, +=) the gradient with respect to x.
  void backward_data(const Stream& stream, const T* dy, const Wide<T>* w, const void* packed, T* dx,
                     Write mode, void* scratch) const;
  // dw (=, +=) each group's gradient with respect to its w, groups.stride apart.
  void backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw, Write mode,
                       void* scratch) const;

  // What runs each pass, as Conv says it.
  std::string description() const;

 private:
  ConvPasses passes_;
  std::unique_ptr<ConvBackend<T>> backend_;
};

}  // namespace basin
