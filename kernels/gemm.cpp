// The matrix product on a CPU: thin_product's kernels where a side is narrow, otherwise oneDNN's
// matmul in float32, the loop of reference.h in float64.
#include "kernels/gemm.h"

#include <type_traits>

#include "kernels/error.h"
#include "kernels/onednn.h"
#include "kernels/reference.h"
#include "kernels/thin_product.h"

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

}  // namespace

std::string to_string(const GemmShape& s) {
  return fmt::format("gemm [{}, {}] = [{}, {}]{} [{}, {}]{}", s.m, s.n, s.m, s.k,
                     s.a == Transpose::Yes ? "^T" : "", s.k, s.n,
                     s.b == Transpose::Yes ? "^T" : "");
}

template <class T>
struct Gemm<T>::Impl {
  GemmShape shape;
  bool thin = false;
  Call overwrite = {}, accumulate = {};  // empty: thin, or the loop
};

template <class T>
Gemm<T>::Gemm(const Stream& stream, const GemmShape& s)
    : impl_(new Impl{s, thin_product_is_faster(s)}) {
  BASIN_CHECK(s.m >= 1 && s.n >= 1 && s.k >= 1, "[gemm] shape",
              "found {}, expected sizes of 1 or more", to_string(s));
  BASIN_CHECK(!stream.is_cuda(), "[gemm] stream", "found a CUDA stream, expected a CPU's");
  if (impl_->thin) return;
  if constexpr (std::is_same_v<T, float>) {
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
      impl_->overwrite = make(onednn::user_scratchpad());
      impl_->accumulate = make(onednn::added(onednn::user_scratchpad()));
    });
  }
}

template <class T>
Gemm<T>::~Gemm() = default;
template <class T>
Gemm<T>::Gemm(Gemm&&) noexcept = default;

template <class T>
int64_t Gemm<T>::scratch_bytes() const {
  return std::max(impl_->overwrite.scratch_bytes(), impl_->accumulate.scratch_bytes());
}

template <class T>
std::string Gemm<T>::description() const {
  if (impl_->thin) return "thin product";
  return impl_->overwrite ? impl_->overwrite.implementation() : "loops";
}

template <class T>
void Gemm<T>::run(const Stream& stream, const T* a, const T* b, T* c, Write mode,
                  void* scratch) const {
  if (impl_->thin) return thin_product(stream, impl_->shape, a, b, c, mode);
  const Call& call = mode == Write::Overwrite ? impl_->overwrite : impl_->accumulate;
  if (!call) return reference::gemm(stream, impl_->shape, a, b, c, mode);
  call.run(stream, {a, b, c}, scratch);
}

template class Gemm<float>;
template class Gemm<double>;

}  // namespace basin
