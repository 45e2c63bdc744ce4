// A thin private wrapper of oneDNN: primitives whose memory objects are made with them, so that a
// call only sets pointers; the differences between its versions 2 and 3; its errors as ours.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "kernels/error.h"
#include "kernels/stream.h"

namespace basin::onednn {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;

inline constexpr int64_t kAlignment = 64;

// oneDNN takes its thread count from OpenMP when a primitive is made and again when it runs; both
// have to be the stream's. Restored at the end of the scope.
class ThreadScope {
 public:
  explicit ThreadScope(const Stream& stream);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

// make(), with oneDNN's exception turned into an Error(Run) that names the call and the shapes.
template <class Make>
auto checked(const char* call, const std::string& what, const Make& make) {
  try {
    return make();
  } catch (const dnnl::error& e) {
    fail_run("oneDNN " + std::string(call), "{}: found status {} ({}), expected success", what,
             static_cast<int>(e.status), e.message);
  }
}

// Memory is the caller's: no primitive that is made with these has any of its own.
dnnl::primitive_attr user_scratchpad();
// The result is added to what its memory holds.
dnnl::primitive_attr added(dnnl::primitive_attr attr);

// Where oneDNN is a thousand times slower than a plain loop, or has nothing at all.
template <class PrimitiveDesc>
bool is_fit(const PrimitiveDesc& pd) {
  return pd.get(true) != nullptr &&
         std::string(pd.impl_info_str()).find("ref") == std::string::npos;
}

// A convolution in oneDNN's order of extents, whatever the layout: x and y are N, C, H, W, w is
// O, I, H, W. Descriptors of `any` layout let oneDNN choose.
struct ConvProblem {
  Desc x, w, y;
  Dims strides, padding;
};
using ConvForward = dnnl::convolution_forward::primitive_desc;
using ConvBackwardData = dnnl::convolution_backward_data::primitive_desc;
using ConvBackwardFilter = dnnl::convolution_backward_weights::primitive_desc;
using Matmul = dnnl::matmul::primitive_desc;

// Empty (is_fit says no) where oneDNN has no implementation.
ConvForward conv_forward(const dnnl::engine& engine, const ConvProblem& problem);
ConvBackwardData conv_backward_data(const dnnl::engine& engine, const ConvProblem& problem,
                                    const ConvForward& forward);
ConvBackwardFilter conv_backward_filter(const dnnl::engine& engine, const ConvProblem& problem,
                                        const ConvForward& forward);
Matmul matmul(const dnnl::engine& engine, const Desc& a, const Desc& b, const Desc& c,
              const dnnl::primitive_attr& attr);

// A primitive bound to its operands' memory objects.
class Call {
 public:
  struct Operand {
    int arg;  // DNNL_ARG_SRC, ...
    Desc desc;
  };

  Call() = default;
  // To be made within a ThreadScope. what: the operation and its shapes, for errors.
  Call(std::string what, const dnnl::engine& engine, const dnnl::primitive_desc_base& pd,
       std::initializer_list<Operand> operands);

  explicit operator bool() const { return static_cast<bool>(primitive_); }
  int64_t scratch_bytes() const { return scratch_bytes_; }
  const std::string& implementation() const { return implementation_; }

  // pointers: in the order of the operands. scratch: scratch_bytes(), aligned to kAlignment. The
  // stream has to have as many threads as the one that the primitive was made for: its scratchpad
  // was sized for those.
  void run(const Stream& stream, std::initializer_list<const void*> pointers, void* scratch) const;

 private:
  static constexpr int kMostOperands = 4;  // the scratchpad among them

  std::string what_, implementation_;
  dnnl::primitive primitive_;
  dnnl::stream queue_;
  std::vector<std::pair<int, dnnl::memory>> operands_;
  int64_t scratch_bytes_ = 0;
  int threads_ = 0;
};

}  // namespace basin::onednn
