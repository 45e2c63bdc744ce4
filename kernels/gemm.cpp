// What all backends of Gemm share: the check of the shape, and the choice of a backend. On a CPU:
// thin_product's kernels where a side is narrow, otherwise oneDNN's matmul in float32, the loop of
// reference.h in float64.
#include "kernels/gemm.h"

#include <type_traits>

#include "kernels/error.h"
#include "kernels/gemm_backend.h"
#include "kernels/reference.h"
#include "kernels/thin_product.h"

namespace basin {
namespace {

template <class T>
class ThinGemm final : public GemmBackend<T> {
 public:
  explicit ThinGemm(const GemmShape& shape) : shape_(shape) {}
  int64_t scratch_bytes() const override { return 0; }
  void run(const Stream& stream, const T* a, const T* b, T* c, Write mode, void*) const override {
    thin_product(stream, shape_, a, b, c, mode);
  }
  std::string description() const override { return "thin product"; }

 private:
  GemmShape shape_;
};

template <class T>
class LoopGemm final : public GemmBackend<T> {
 public:
  explicit LoopGemm(const GemmShape& shape) : shape_(shape) {}
  int64_t scratch_bytes() const override { return 0; }
  void run(const Stream& stream, const T* a, const T* b, T* c, Write mode, void*) const override {
    reference::gemm(stream, shape_, a, b, c, mode);
  }
  std::string description() const override { return "loops"; }

 private:
  GemmShape shape_;
};

template <class T>
std::unique_ptr<GemmBackend<T>> make_gemm(const Stream& stream, const GemmShape& shape) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return make_cublas_gemm<T>(stream, shape);
  }
  if (thin_product_is_faster(shape)) return std::make_unique<ThinGemm<T>>(shape);
  if constexpr (std::is_same_v<T, float>) {
    return make_onednn_gemm(stream, shape);
  } else {
    return std::make_unique<LoopGemm<T>>(shape);
  }
}

}  // namespace

std::string to_string(const GemmShape& s) {
  return fmt::format("gemm [{}, {}] = [{}, {}]{} [{}, {}]{}", s.m, s.n, s.m, s.k,
                     s.a == Transpose::Yes ? "^T" : "", s.k, s.n,
                     s.b == Transpose::Yes ? "^T" : "");
}

template <class T>
Gemm<T>::Gemm(const Stream& stream, const GemmShape& s) {
  BASIN_CHECK(s.m >= 1 && s.n >= 1 && s.k >= 1, "[gemm] shape",
              "found {}, expected sizes of 1 or more", to_string(s));
  backend_ = make_gemm<T>(stream, s);
}

template <class T>
Gemm<T>::~Gemm() = default;
template <class T>
Gemm<T>::Gemm(Gemm&&) noexcept = default;

template <class T>
int64_t Gemm<T>::scratch_bytes() const {
  return backend_->scratch_bytes();
}

template <class T>
std::string Gemm<T>::description() const {
  return backend_->description();
}

template <class T>
void Gemm<T>::run(const Stream& stream, const T* a, const T* b, T* c, Write mode,
                  void* scratch) const {
  backend_->run(stream, a, b, c, mode, scratch);
}

template class Gemm<float>;
template class Gemm<double>;

}  // namespace basin
