// Convolution on CUDA by cuDNN, in float32 or bfloat16. Everything stays in NHWC, and w in its own
// layout: nothing is packed but a copy of w in bfloat16.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/conv_backend.h"
#include "kernels/conv_choice.h"
#include "kernels/conv_tile.h"
#include "kernels/convert.h"

namespace basin::cuda {
namespace {

template <class T>
class CudnnConv final : public ConvBackend<T> {
 public:
  CudnnConv(const Stream& stream, const ConvShape& shape, ConvPasses passes,
            ConvAlgorithm algorithm)
      : shape_(shape), forward_(plan(stream, ConvPass::Forward, algorithm)) {
    if (passes != ConvPasses::Forward) filter_ = plan(stream, ConvPass::BackwardFilter, algorithm);
    if (passes == ConvPasses::All) data_ = plan(stream, ConvPass::BackwardData, algorithm);
  }

  int64_t packed_bytes() const override { return kPacks ? size_of(shape_.weight_size()) : 0; }
  int64_t packed_gradient_size() const override { return 0; }
  int64_t scratch_bytes() const override;
  void pack(const Stream& stream, const Wide<T>* w, void* packed) const override;
  void forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed, T* y,
               void* scratch) const override;
  void backward_data(const Stream& stream, const T* dy, const Wide<T>* w, const void* packed, T* dx,
                     Write mode, void* scratch) const override;
  void backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw, Write mode,
                       void* scratch) const override;
  void unpack_gradient(const Stream&, const Wide<T>*, Wide<T>*, Write) const override {}
  std::string description() const override {
    const auto engine = [](const Plan& plan) { return plan == nullptr ? "-" : plan->engine(); };
    return fmt::format("cudnn engine {} | {} | {}", engine(forward_), engine(data_),
                       engine(filter_));
  }

 private:
  static constexpr bool kPacks = !std::is_same_v<T, Wide<T>>;

  using Plan = std::shared_ptr<const ConvPlan>;  // null for a pass that is not wanted
  Plan plan(const Stream& stream, ConvPass pass, ConvAlgorithm algorithm) const {
    const auto element = kPacks ? ConvElement::Bfloat16 : ConvElement::Float;
    return conv_plan(stream, shape_, pass, element, algorithm);
  }
  static int64_t size_of(int64_t elements) { return elements * int64_t{sizeof(T)}; }
  static const void* weights(const Wide<T>* w, const void* packed) { return kPacks ? packed : w; }

  // What a call finds in scratch: the result that it adds or widens, and the plan's workspace.
  struct Places {
    T* result;
    void* workspace;
  };
  static constexpr int64_t kScratchAlignment = 64;  // as Conv has it
  static constexpr int64_t kAlignment = ConvPlan::kAlignment;
  static int64_t bytes_of(const Plan& plan, int64_t result_size) {
    if (plan == nullptr) return 0;
    return kAlignment - kScratchAlignment + round_up(size_of(result_size), kAlignment) +
           plan->workspace_bytes();
  }
  static Places places(void* scratch, int64_t result_size) {
    const auto address = reinterpret_cast<std::intptr_t>(scratch);
    char* start =
        static_cast<char*>(scratch) + (round_up<std::intptr_t>(address, kAlignment) - address);
    return {reinterpret_cast<T*>(start), start + round_up(size_of(result_size), kAlignment)};
  }

  ConvShape shape_;
  Plan forward_, data_, filter_;
};

template <class T>
int64_t CudnnConv<T>::scratch_bytes() const {
  return std::max({bytes_of(forward_, 0), bytes_of(data_, shape_.input_size()),
                   bytes_of(filter_, shape_.weight_size())});
}

template <class T>
void CudnnConv<T>::pack(const Stream& stream, const Wide<T>* w, void* packed) const {
  if constexpr (kPacks) {
    basin::convert(stream, shape_.weight_size(), w, static_cast<T*>(packed), Write::Overwrite);
  }
}

template <class T>
void CudnnConv<T>::forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed,
                           T* y, void* scratch) const {
  forward_->run(stream, x, weights(w, packed), y, places(scratch, 0).workspace);
}

template <class T>
void CudnnConv<T>::backward_data(const Stream& stream, const T* dy, const Wide<T>* w,
                                 const void* packed, T* dx, Write mode, void* scratch) const {
  const Places at = places(scratch, shape_.input_size());
  T* to = mode == Write::Overwrite ? dx : at.result;
  data_->run(stream, to, weights(w, packed), dy, at.workspace);
  if (to != dx) basin::convert(stream, shape_.input_size(), to, dx, mode);
}

template <class T>
void CudnnConv<T>::backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw,
                                   Write mode, void* scratch) const {
  const Places at = places(scratch, shape_.weight_size());
  if constexpr (!kPacks) {
    if (mode == Write::Overwrite) return filter_->run(stream, x, dw, dy, at.workspace);
  }
  filter_->run(stream, x, at.result, dy, at.workspace);
  basin::convert(stream, shape_.weight_size(), at.result, dw, mode);
}

}  // namespace

template <class T>
std::unique_ptr<ConvBackend<T>> make_cudnn_conv(const Stream& stream, const ConvShape& shape,
                                                ConvPasses passes, ConvAlgorithm algorithm) {
  return std::make_unique<CudnnConv<T>>(stream, shape, passes, algorithm);
}

template std::unique_ptr<ConvBackend<float>> make_cudnn_conv(const Stream&, const ConvShape&,
                                                             ConvPasses, ConvAlgorithm);
template std::unique_ptr<ConvBackend<bfloat16>> make_cudnn_conv(const Stream&, const ConvShape&,
                                                                ConvPasses, ConvAlgorithm);

}  // namespace basin::cuda
