// Convolution on a CPU by oneDNN, direct, in float32 or bfloat16, activations in NHWC; weights and
// their gradient in the layouts that it chooses, since it falls to a plain loop on any other.
#include <algorithm>

#include "kernels/conv_backend.h"
#include "kernels/convert.h"
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

template <class T>
inline constexpr auto kDataType = dnnl::memory::data_type::f32;
template <>
inline constexpr auto kDataType<bfloat16> = dnnl::memory::data_type::bf16;

// oneDNN may be told to know less than the processor does, and emulates then.
void require_products_of_bfloat16() {
  const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  const auto found = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  BASIN_CHECK((found & needed) == needed, "[conv] x",
              "found bfloat16 and a oneDNN without avx512_bf16 (ONEDNN_MAX_CPU_ISA?), expected one "
              "that does not emulate it");
}

template <class T>
class OneDnnConv final : public ConvBackend<T> {
 public:
  OneDnnConv(const Stream& stream, const ConvShape& shape, ConvPasses passes);

  int64_t packed_bytes() const override { return packed_bytes_; }
  int64_t packed_gradient_size() const override { return packed_gradient_size_; }
  int64_t scratch_bytes() const override;
  void pack(const Stream& stream, const Wide<T>* w, void* packed) const override;
  void forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed, T* y,
               void* scratch) const override;
  void backward_data(const Stream& stream, const T* dy, const Wide<T>* w, const void* packed, T* dx,
                     Write mode, void* scratch) const override;
  void backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw, Write mode,
                       void* scratch) const override;
  void unpack_gradient(const Stream& stream, const Wide<T>* packed_dw, Wide<T>* dw,
                       Write mode) const override;
  std::string description() const override;

 private:
  // The weights as one pass reads them: w itself, or a reordered copy within the packed buffer.
  struct Weights {
    Call reorder;
    int64_t offset = 0;
    const void* of(const Wide<T>* w, const void* packed) const {
      return reorder ? static_cast<const char*>(packed) + offset : static_cast<const void*>(w);
    }
  };
  Weights weights_for(const Desc& layout);
  Call reorder(const Desc& from, const Desc& to, const dnnl::primitive_attr& attr) const;
  // What an accumulating call computes into before it adds: behind the primitive's own scratch.
  template <class Value>
  static Value* term(const Call& call, void* scratch) {
    return reinterpret_cast<Value*>(static_cast<char*>(scratch) + aligned(call.scratch_bytes()));
  }

  ConvShape shape_;
  ConvPasses passes_;
  std::string what_;
  dnnl::engine engine_;
  Desc plain_w_;
  std::unique_ptr<ConvBackend<T>> loops_;  // for each pass whose call below is empty
  Call forward_, data_, filter_;
  Weights forward_weights_, data_weights_;
  Call unpack_, unpack_added_;
  int64_t packed_bytes_ = 0, packed_gradient_size_ = 0;
};

template <class T>
OneDnnConv<T>::OneDnnConv(const Stream& stream, const ConvShape& s, ConvPasses passes)
    : shape_(s), passes_(passes), what_(to_string(s)), engine_(dnnl::engine::kind::cpu, 0) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    require_products_of_bfloat16();
  } else {
    loops_ = std::make_unique<LoopConv<T>>(s);
  }
  using Tag = dnnl::memory::format_tag;
  constexpr auto kType = kDataType<T>, kFloat = dnnl::memory::data_type::f32;
  const onednn::ThreadScope threads(stream);
  onednn::checked("conv", what_, [&] {
    const Desc x({s.n, s.c_in, s.h, s.w}, kType, Tag::nhwc);
    const Desc y({s.n, s.c_out, s.h_out(), s.w_out()}, kType, Tag::nhwc);
    const onednn::Dims w_dims = {s.c_out, s.c_in, s.kernel, s.kernel};
    plain_w_ = Desc(w_dims, kFloat, Tag::ohwi);
    const onednn::ConvProblem problem = {
        x, Desc(w_dims, kType, Tag::any), y, {s.stride, s.stride}, {s.padding, s.padding}};
    onednn::ConvProblem sums = problem;  // of the weight gradient
    sums.w = Desc(w_dims, kFloat, Tag::any);

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
      const auto filter = onednn::conv_backward_filter(engine_, sums, forward);
      if (onednn::is_fit(filter)) {
        const Desc layout = filter.diff_weights_desc();
        filter_ =
            Call("weight gradient of " + what_, engine_, filter,
                 {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, y}, {DNNL_ARG_DIFF_WEIGHTS, layout}});
        if (layout != plain_w_) {
          packed_gradient_size_ = size_of(layout) / int64_t{sizeof(Wide<T>)};
          unpack_ = reorder(layout, plain_w_, {});
          unpack_added_ = reorder(layout, plain_w_, onednn::added({}));
        }
      }
    }
  });
  BASIN_CHECK(loops_ != nullptr || description().find("loops") == std::string::npos, "[conv] x",
              "found bfloat16 in {}, for which oneDNN has {}, expected float32", what_,
              description());
}

template <class T>
Call OneDnnConv<T>::reorder(const Desc& from, const Desc& to,
                            const dnnl::primitive_attr& attr) const {
  const dnnl::reorder::primitive_desc pd(engine_, from, engine_, to, attr);
  return Call("weight layout of " + what_, engine_, pd, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

template <class T>
typename OneDnnConv<T>::Weights OneDnnConv<T>::weights_for(const Desc& layout) {
  if (layout == plain_w_) return {};
  Weights weights{reorder(plain_w_, layout, {}), packed_bytes_};
  packed_bytes_ += aligned(size_of(layout));
  return weights;
}

template <class T>
int64_t OneDnnConv<T>::scratch_bytes() const {
  const auto with_term = [](const Call& call, int64_t bytes) {
    return call ? aligned(call.scratch_bytes()) + aligned(bytes) : 0;
  };
  const int64_t gradient_size =
      packed_gradient_size_ > 0 ? packed_gradient_size_ : shape_.weight_size();
  return std::max({aligned(forward_.scratch_bytes()),
                   with_term(data_, shape_.input_size() * int64_t{sizeof(T)}),
                   with_term(filter_, gradient_size * int64_t{sizeof(Wide<T>)})});
}

template <class T>
void OneDnnConv<T>::pack(const Stream& stream, const Wide<T>* w, void* packed) const {
  for (const Weights* weights : {&forward_weights_, &data_weights_}) {
    if (weights->reorder) weights->reorder.run(stream, {w, weights->of(w, packed)}, nullptr);
  }
}

template <class T>
void OneDnnConv<T>::forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed,
                            T* y, void* scratch) const {
  if (!forward_) return loops_->forward(stream, x, w, packed, y, scratch);
  forward_.run(stream, {x, forward_weights_.of(w, packed), y}, scratch);
}

template <class T>
void OneDnnConv<T>::backward_data(const Stream& stream, const T* dy, const Wide<T>* w,
                                  const void* packed, T* dx, Write mode, void* scratch) const {
  if (!data_) return loops_->backward_data(stream, dy, w, packed, dx, mode, scratch);
  T* to = mode == Write::Overwrite ? dx : term<T>(data_, scratch);
  data_.run(stream, {dy, data_weights_.of(w, packed), to}, scratch);
  if (mode == Write::Accumulate) {
    convert(stream, shape_.input_size(), to, dx, Write::Accumulate);
  }
}

template <class T>
void OneDnnConv<T>::backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw,
                                    Write mode, void* scratch) const {
  if (!filter_) return loops_->backward_filter(stream, x, dy, dw, mode, scratch);
  auto* to = mode == Write::Overwrite ? dw : term<Wide<T>>(filter_, scratch);
  filter_.run(stream, {x, dy, to}, scratch);
  if (mode == Write::Accumulate) {
    const int64_t size = packed_gradient_size_ > 0 ? packed_gradient_size_ : shape_.weight_size();
    convert(stream, size, to, dw, Write::Accumulate);
  }
}

template <class T>
void OneDnnConv<T>::unpack_gradient(const Stream& stream, const Wide<T>* packed_dw, Wide<T>* dw,
                                    Write mode) const {
  const Call& call = mode == Write::Overwrite ? unpack_ : unpack_added_;
  call.run(stream, {packed_dw, dw}, nullptr);
}

template <class T>
std::string OneDnnConv<T>::description() const {
  const auto name = [](const Call& call) { return call ? call.implementation() : "loops"; };
  std::string text = name(forward_);
  text += " | " + (passes_ == ConvPasses::All ? name(data_) : "-");
  text += " | " + (passes_ != ConvPasses::Forward ? name(filter_) : "-");
  return text;
}

}  // namespace

template <class T>
std::unique_ptr<ConvBackend<T>> make_onednn_conv(const Stream& stream, const ConvShape& shape,
                                                 ConvPasses passes) {
  return std::make_unique<OneDnnConv<T>>(stream, shape, passes);
}

template std::unique_ptr<ConvBackend<float>> make_onednn_conv(const Stream&, const ConvShape&,
                                                              ConvPasses);
template std::unique_ptr<ConvBackend<bfloat16>> make_onednn_conv(const Stream&, const ConvShape&,
                                                                 ConvPasses);

}  // namespace basin
