// The matrix product on a CPU by oneDNN, in float32; by the loop of reference.h where it has
// nothing fit.
#include <algorithm>

#include "kernels/gemm_backend.h"
#include "kernels/onednn.h"
#include "kernels/reference.h"

namespace basin {
namespace {

using onednn::Call;
using onednn::Desc;

// A row-major [rows, columns] operand, or what is stored transposed, told by its strides.
Desc operand(int64_t rows, int64_t columns, Transpose transpose) {
  const onednn::Dims strides =
      transpose == Transpose::No ? onednn::Dims{columns, 1} : onednn::Dims{1, rows};
  return Desc({rows, columns}, dnnl::memory::data_type::f32, strides);
}

class OneDnnGemm final : public GemmBackend<float> {
 public:
  OneDnnGemm(const Stream& stream, const GemmShape& s) : shape_(s) {
    const onednn::ThreadScope threads(stream);
    onednn::checked("matmul", to_string(s), [&] {
      const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
      const Desc a = operand(s.m, s.k, s.a), b = operand(s.k, s.n, s.b);
      const Desc c = operand(s.m, s.n, Transpose::No);
      const auto make = [&](const dnnl::primitive_attr& attr) {
        const auto pd = onednn::matmul(engine, a, b, c, attr);
        if (!onednn::is_fit(pd)) return Call();
        return Call(to_string(s), engine, pd,
                    {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
      };
      overwrite_ = make(onednn::user_scratchpad());
      accumulate_ = make(onednn::added(onednn::user_scratchpad()));
    });
  }

  int64_t scratch_bytes() const override {
    return std::max(overwrite_.scratch_bytes(), accumulate_.scratch_bytes());
  }
  void run(const Stream& stream, const float* a, const float* b, float* c, Write mode,
           void* scratch) const override {
    const Call& call = mode == Write::Overwrite ? overwrite_ : accumulate_;
    if (!call) return reference::gemm(stream, shape_, a, b, c, mode);
    call.run(stream, {a, b, c}, scratch);
  }
  std::string description() const override {
    return overwrite_ ? overwrite_.implementation() : "loops";
  }

 private:
  GemmShape shape_;
  Call overwrite_, accumulate_;  // empty: the loop
};

}  // namespace

std::unique_ptr<GemmBackend<float>> make_onednn_gemm(const Stream& stream, const GemmShape& shape) {
  return std::make_unique<OneDnnGemm>(stream, shape);
}

}  // namespace basin
