// What all backends of Gemm share: the check of the shape, and the choice of a backend. On a CPU:
// thin_product's kernels where a side is narrow, otherwise oneDNN's matmul in float32, the loop of
// reference.h in float64; a batch is a loop over its products.
#include "kernels/gemm.h"

#include <type_traits>
#include <vector>

#include "kernels/error.h"
#include "kernels/gemm_backend.h"
#include "kernels/has_cuda.h"
#include "kernels/parallel.h"
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
std::unique_ptr<GemmBackend<T>> make_cpu_gemm(const Stream& stream, const GemmShape& shape) {
  if (thin_product_is_faster(shape)) return std::make_unique<ThinGemm<T>>(shape);
  if constexpr (std::is_same_v<T, float>) {
    return make_onednn_gemm(stream, shape);
  } else {
    return std::make_unique<LoopGemm<T>>(shape);
  }
}

// A batch on a CPU: each worker has a product of its own, and a part of the scratch.
template <class T>
class BatchGemm final : public GemmBackend<T> {
 public:
  BatchGemm(const Stream& stream, const GemmShape& shape, const GemmBatch& batch)
      : batch_(batch), team_(stream, batch.count) {
    for (int k = 0; k < team_.workers(); ++k) {
      workers_.push_back(make_cpu_gemm<T>(team_.stream(), shape));
    }
  }
  int64_t scratch_bytes() const override { return team_.workers() * scratch_of_one(); }
  void run(const Stream&, const T* a, const T* b, T* c, Write mode, void* scratch) const override {
    team_.run([&](int worker, int64_t begin, int64_t end) {
      char* own = static_cast<char*>(scratch) + worker * scratch_of_one();
      for (int64_t i = begin; i < end; ++i) {
        workers_[worker]->run(team_.stream(), a + i * batch_.a, b + i * batch_.b, c + i * batch_.c,
                              mode, own);
      }
    });
  }
  std::string description() const override { return workers_[0]->description(); }

 private:
  int64_t scratch_of_one() const { return round_up(workers_[0]->scratch_bytes(), cpu::kLineBytes); }

  GemmBatch batch_;
  cpu::Team team_;
  std::vector<std::unique_ptr<GemmBackend<T>>> workers_;
};

template <class T>
std::unique_ptr<GemmBackend<T>> make_gemm(const Stream& stream, const GemmShape& shape,
                                          const GemmBatch& batch) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return make_cublas_gemm<T>(stream, shape, batch);
  }
  if (batch.count == 1) return make_cpu_gemm<T>(stream, shape);
  return std::make_unique<BatchGemm<T>>(stream, shape, batch);
}

}  // namespace

std::string to_string(const GemmShape& s) {
  return fmt::format("gemm [{}, {}] = [{}, {}]{} [{}, {}]{}", s.m, s.n, s.m, s.k,
                     s.a == Transpose::Yes ? "^T" : "", s.k, s.n,
                     s.b == Transpose::Yes ? "^T" : "");
}

std::string to_string(const GemmShape& shape, const GemmBatch& batch) {
  return (batch.count == 1 ? "" : fmt::format("{} x ", batch.count)) + to_string(shape);
}

template <class T>
Gemm<T>::Gemm(const Stream& stream, const GemmShape& s, const GemmBatch& batch) {
  BASIN_CHECK(s.m >= 1 && s.n >= 1 && s.k >= 1, "[gemm] shape",
              "found {}, expected sizes of 1 or more", to_string(s));
  BASIN_CHECK(batch.count >= 1 && batch.a >= 0 && batch.b >= 0, "[gemm] batch",
              "found {} products with strides {} and {}, expected 1 or more, and strides of 0 or "
              "more",
              batch.count, batch.a, batch.b);
  BASIN_CHECK(batch.count == 1 || batch.c >= s.m * s.n, "[gemm] batch",
              "found results {} elements apart, expected at least the {} of one", batch.c,
              s.m * s.n);
  backend_ = make_gemm<T>(stream, s, batch);
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
