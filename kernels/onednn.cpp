// The calls of oneDNN that differ between its versions, and how a primitive runs.
#include "kernels/onednn.h"

#include <omp.h>

namespace basin::onednn {

ThreadScope::ThreadScope(const Stream& stream) : before_(omp_get_max_threads()) {
  omp_set_num_threads(stream.threads());
}

ThreadScope::~ThreadScope() {
  omp_set_num_threads(before_);
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

dnnl::primitive_attr added(dnnl::primitive_attr attr) {
  dnnl::post_ops ops;
  ops.append_sum(1.0f);
  attr.set_post_ops(ops);
  return attr;
}

// Version 3 took out the operation descriptors that version 2 makes primitive descriptors from.
#if DNNL_VERSION_MAJOR >= 3

ConvForward conv_forward(const dnnl::engine& engine, const ConvProblem& p) {
  return ConvForward(engine, dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct,
                     p.x, p.w, p.y, p.strides, p.padding, p.padding, user_scratchpad(), true);
}

ConvBackwardData conv_backward_data(const dnnl::engine& engine, const ConvProblem& p,
                                    const ConvForward& forward) {
  return ConvBackwardData(engine, dnnl::algorithm::convolution_direct, p.x, p.w, p.y, p.strides,
                          p.padding, p.padding, forward, user_scratchpad(), true);
}

ConvBackwardFilter conv_backward_filter(const dnnl::engine& engine, const ConvProblem& p,
                                        const ConvForward& forward) {
  return ConvBackwardFilter(engine, dnnl::algorithm::convolution_direct, p.x, p.w, p.y, p.strides,
                            p.padding, p.padding, forward, user_scratchpad(), true);
}

Matmul matmul(const dnnl::engine& engine, const Desc& a, const Desc& b, const Desc& c,
              const dnnl::primitive_attr& attr) {
  return Matmul(engine, a, b, c, attr, true);
}

#else

ConvForward conv_forward(const dnnl::engine& engine, const ConvProblem& p) {
  const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_training,
                                             dnnl::algorithm::convolution_direct, p.x, p.w, p.y,
                                             p.strides, p.padding, p.padding);
  return ConvForward(desc, user_scratchpad(), engine, true);
}

ConvBackwardData conv_backward_data(const dnnl::engine& engine, const ConvProblem& p,
                                    const ConvForward& forward) {
  const dnnl::convolution_backward_data::desc desc(dnnl::algorithm::convolution_direct, p.x, p.w,
                                                   p.y, p.strides, p.padding, p.padding);
  return ConvBackwardData(desc, user_scratchpad(), engine, forward, true);
}

ConvBackwardFilter conv_backward_filter(const dnnl::engine& engine, const ConvProblem& p,
                                        const ConvForward& forward) {
  const dnnl::convolution_backward_weights::desc desc(dnnl::algorithm::convolution_direct, p.x, p.w,
                                                      p.y, p.strides, p.padding, p.padding);
  return ConvBackwardFilter(desc, user_scratchpad(), engine, forward, true);
}

Matmul matmul(const dnnl::engine& engine, const Desc& a, const Desc& b, const Desc& c,
              const dnnl::primitive_attr& attr) {
  return Matmul(dnnl::matmul::desc(a, b, c), attr, engine, true);
}

#endif

Call::Call(std::string what, const dnnl::engine& engine, const dnnl::primitive_desc_base& pd,
           std::initializer_list<Operand> operands)
    : what_(std::move(what)), threads_(omp_get_max_threads()) {
  checked("dnnl_primitive_create", what_, [&] {
    implementation_ = pd.impl_info_str();
    primitive_ = dnnl::primitive(pd.get());
    queue_ = dnnl::stream(engine);
    for (const Operand& operand : operands) {
      operands_.emplace_back(operand.arg, dnnl::memory(operand.desc, engine, DNNL_MEMORY_NONE));
    }
    scratch_bytes_ = static_cast<int64_t>(pd.scratchpad_desc().get_size());
    if (scratch_bytes_ > 0) {
      operands_.emplace_back(DNNL_ARG_SCRATCHPAD,
                             dnnl::memory(pd.scratchpad_desc(), engine, DNNL_MEMORY_NONE));
    }
  });
}

// Through the C interface, whose arguments are an array: the C++ one takes a hash map.
void Call::run(const Stream& stream, std::initializer_list<const void*> pointers,
               void* scratch) const {
  BASIN_CHECK(stream.threads() == threads_, what_,
              "found a stream of {} threads, expected the {} that it was made for",
              stream.threads(), threads_);
  const auto check = [this](dnnl_status_t status, const char* call) {
    if (status != dnnl_success) {
      fail_run("oneDNN " + std::string(call), "{}: found status {}, expected success", what_,
               static_cast<int>(status));
    }
  };
  const ThreadScope threads(stream);
  dnnl_exec_arg_t args[kMostOperands];
  int count = 0;
  for (const auto& [arg, memory] : operands_) {
    void* pointer =
        arg == DNNL_ARG_SCRATCHPAD ? scratch : const_cast<void*>(pointers.begin()[count]);
    void* old = nullptr;
    check(dnnl_memory_get_data_handle(memory.get(), &old), "dnnl_memory_get_data_handle");
    // Version 2 zeroes a layout's padding whenever a pointer is set, needed or not.
    if (pointer != old) {
      check(dnnl_memory_set_data_handle(memory.get(), pointer), "dnnl_memory_set_data_handle");
    }
    args[count++] = {arg, memory.get()};
  }
  check(dnnl_primitive_execute(primitive_.get(), queue_.get(), count, args),
        "dnnl_primitive_execute");
  check(dnnl_stream_wait(queue_.get()), "dnnl_stream_wait");
}

}  // namespace basin::onednn
