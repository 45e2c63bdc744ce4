// Float32 convolution on a CPU by oneDNN, direct, activations in NHWC; weights and their gradient
// in the layouts that it chooses, since it falls to a plain loop on any other.
#include <algorithm>

#include "kernels/conv_backend.h"
#include "kernels/elementwise.h"
#include "kernels/onednn.h"

namespace basin {
namespace {

using onednn::Call;
using onednn::Desc;

// oneDNN's weight gradient of a strided 1x1 convolution with fewer channels than a vector has
// writes up to 1.5 KiB past its scratchpad (2.6.3, two threads; newer ones too: its issue 6035).
bool writes_out_of_bounds(const ConvShape& s) {
  return s.kernel == 1 && s.stride > 1 && s.c_in < 16;
}

int64_t aligned(int64_t bytes) {
  return round_up(bytes, onednn::kAlignment);
}

int64_t size_of(const Desc& desc) {
  return static_cast<int64_t>(desc.get_size());
}

class OneDnnConv final : public ConvBackend<float> {
 public:
  OneDnnConv(const Stream& stream, const ConvShape& shape, ConvPasses passes);

  int64_t packed_bytes() const override { return packed_bytes_; }
  int64_t packed_gradient_size() const override { return packed_gradient_size_; }
  int64_t scratch_bytes() const override;
  void pack(const Stream& stream, const float* w, void* packed) const override;
  void forward(const Stream& stream, const float* x, const float* w, const void* packed, float* y,
               void* scratch) const override;
  void backward_data(const Stream& stream, const float* dy, const float* w, const void* packed,
                     float* dx, Write mode, void* scratch) const override;
  void backward_filter(const Stream& stream, const float* x, const float* dy, float* dw, Write mode,
                       void* scratch) const override;
  void unpack_gradient(const Stream& stream, const float* packed_dw, float* dw,
                       Write mode) const override;
  std::string description() const override;

 private:
  // The weights as one pass reads them: w itself, or a reordered copy within the packed buffer.
  struct Weights {
    Call reorder;
    int64_t offset = 0;
    const void* of(const float* w, const void* packed) const {
      return reorder ? static_cast<const char*>(packed) + offset : static_cast<const void*>(w);
    }
  };
  Weights weights_for(const Desc& layout);
  Call reorder(const Desc& from, const Desc& to, const dnnl::primitive_attr& attr) const;
  // What an accumulating call computes into before it adds: behind the primitive's own scratch.
  static float* term(const Call& call, void* scratch) {
    return reinterpret_cast<float*>(static_cast<char*>(scratch) + aligned(call.scratch_bytes()));
  }

  ConvShape shape_;
  ConvPasses passes_;
  std::string what_;
  dnnl::engine engine_;
  Desc plain_w_;
  LoopConv<float> loops_;  // for each pass whose call below is empty
  Call forward_, data_, filter_;
  Weights forward_weights_, data_weights_;
  Call unpack_, unpack_added_;
  int64_t packed_bytes_ = 0, packed_gradient_size_ = 0;
};

OneDnnConv::OneDnnConv(const Stream& stream, const ConvShape& s, ConvPasses passes)
    : shape_(s),
      passes_(passes),
      what_(to_string(s)),
      engine_(dnnl::engine::kind::cpu, 0),
      loops_(s) {
  using Tag = dnnl::memory::format_tag;
  constexpr auto kFloat = dnnl::memory::data_type::f32;
  const onednn::ThreadScope threads(stream);
  onednn::checked("conv", what_, [&] {
    const Desc x({s.n, s.c_in, s.h, s.w}, kFloat, Tag::nhwc);
    const Desc y({s.n, s.c_out, s.h_out(), s.w_out()}, kFloat, Tag::nhwc);
    const onednn::Dims w_dims = {s.c_out, s.c_in, s.kernel, s.kernel};
    plain_w_ = Desc(w_dims, kFloat, Tag::ohwi);
    const onednn::ConvProblem problem = {
        x, Desc(w_dims, kFloat, Tag::any), y, {s.stride, s.stride}, {s.padding, s.padding}};

    const auto forward = onednn::conv_forward(engine_, problem);
    if (!forward.get(true)) return;
    if (onednn::is_fit(forward)) {
      forward_weights_ = weights_for(forward.weights_desc());
      forward_ =
          Call("forward of " + what_, engine_, forward,
               {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, forward.weights_desc()}, {DNNL_ARG_DST, y}});
    }
    if (passes == ConvPasses::All) {
      const auto data = onednn::conv_backward_data(engine_, problem, forward);
      if (onednn::is_fit(data)) {
        data_weights_ = weights_for(data.weights_desc());
        data_ = Call("data gradient of " + what_, engine_, data,
                     {{DNNL_ARG_DIFF_DST, y},
                      {DNNL_ARG_WEIGHTS, data.weights_desc()},
                      {DNNL_ARG_DIFF_SRC, x}});
      }
    }
    if (passes != ConvPasses::Forward && !writes_out_of_bounds(s)) {
      const auto filter = onednn::conv_backward_filter(engine_, problem, forward);
      if (onednn::is_fit(filter)) {
        const Desc layout = filter.diff_weights_desc();
        filter_ =
            Call("weight gradient of " + what_, engine_, filter,
                 {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, y}, {DNNL_ARG_DIFF_WEIGHTS, layout}});
        if (layout != plain_w_) {
          packed_gradient_size_ = size_of(layout) / int64_t{sizeof(float)};
          unpack_ = reorder(layout, plain_w_, {});
          unpack_added_ = reorder(layout, plain_w_, onednn::added({}));
        }
      }
    }
  });
}

Call OneDnnConv::reorder(const Desc& from, const Desc& to, const dnnl::primitive_attr& attr) const {
  const dnnl::reorder::primitive_desc pd(engine_, from, engine_, to, attr);
  return Call("weight layout of " + what_, engine_, pd, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

OneDnnConv::Weights OneDnnConv::weights_for(const Desc& layout) {
  if (layout == plain_w_) return {};
  Weights weights{reorder(plain_w_, layout, {}), packed_bytes_};
  packed_bytes_ += aligned(size_of(layout));
  return weights;
}

int64_t OneDnnConv::scratch_bytes() const {
  const auto with_term = [](const Call& call, int64_t elements) {
    return call ? aligned(call.scratch_bytes()) + aligned(elements * int64_t{sizeof(float)}) : 0;
  };
  const int64_t gradient_size =
      packed_gradient_size_ > 0 ? packed_gradient_size_ : shape_.weight_size();
  return std::max({aligned(forward_.scratch_bytes()), with_term(data_, shape_.input_size()),
                   with_term(filter_, gradient_size)});
}

void OneDnnConv::pack(const Stream& stream, const float* w, void* packed) const {
  for (const Weights* weights : {&forward_weights_, &data_weights_}) {
    if (weights->reorder) weights->reorder.run(stream, {w, weights->of(w, packed)}, nullptr);
  }
}

void OneDnnConv::forward(const Stream& stream, const float* x, const float* w, const void* packed,
                         float* y, void* scratch) const {
  if (!forward_) return loops_.forward(stream, x, w, packed, y, scratch);
  forward_.run(stream, {x, forward_weights_.of(w, packed), y}, scratch);
}

void OneDnnConv::backward_data(const Stream& stream, const float* dy, const float* w,
                               const void* packed, float* dx, Write mode, void* scratch) const {
  if (!data_) return loops_.backward_data(stream, dy, w, packed, dx, mode, scratch);
  float* to = mode == Write::Overwrite ? dx : term(data_, scratch);
  data_.run(stream, {dy, data_weights_.of(w, packed), to}, scratch);
  if (mode == Write::Accumulate) {
    map<float, Add<float>>(stream, {}, shape_.input_size(), {dx, to}, {dx});
  }
}

void OneDnnConv::backward_filter(const Stream& stream, const float* x, const float* dy, float* dw,
                                 Write mode, void* scratch) const {
  if (!filter_) return loops_.backward_filter(stream, x, dy, dw, mode, scratch);
  float* to = mode == Write::Overwrite ? dw : term(filter_, scratch);
  filter_.run(stream, {x, dy, to}, scratch);
  if (mode == Write::Accumulate) {
    const int64_t size = packed_gradient_size_ > 0 ? packed_gradient_size_ : shape_.weight_size();
    map<float, Add<float>>(stream, {}, size, {dw, to}, {dw});
  }
}

void OneDnnConv::unpack_gradient(const Stream& stream, const float* packed_dw, float* dw,
                                 Write mode) const {
  const Call& call = mode == Write::Overwrite ? unpack_ : unpack_added_;
  call.run(stream, {packed_dw, dw}, nullptr);
}

std::string OneDnnConv::description() const {
  const auto name = [](const Call& call) { return call ? call.implementation() : "loops"; };
  std::string text = name(forward_);
  text += " | " + (passes_ == ConvPasses::All ? name(data_) : "-");
  text += " | " + (passes_ != ConvPasses::Forward ? name(filter_) : "-");
  return text;
}

}  // namespace

std::unique_ptr<ConvBackend<float>> make_onednn_conv(const Stream& stream, const ConvShape& shape,
                                                     ConvPasses passes) {
  return std::make_unique<OneDnnConv>(stream, shape, passes);
}

}  // namespace basin
