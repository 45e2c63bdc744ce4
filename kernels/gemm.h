// Matrix product, row-major: C (=, +=) op(A) op(B). On a CPU own kernels where a side is narrow
// (thin_product.h), otherwise oneDNN in float32 and a plain loop in float64 (the meaning of it:
// reference.h). cuBLASLt on CUDA; float32 is rounded to TF32 there only where the stream allows it.
#pragma once

#include <memory>
#include <string>

#include "kernels/cost.h"
#include "kernels/stream.h"

namespace basin {

enum class Transpose { No, Yes };

struct GemmShape {
  int64_t m, n, k;  // C: [m, n]; op(A): [m, k]; op(B): [k, n]
  Transpose a = Transpose::No, b = Transpose::No;
};

// `count` products of one shape: the strides, in elements, lead from one product's operand to the
// next's. With a stride of 0 they share a or b; each has a c of its own.
struct GemmBatch {
  int64_t count = 1, a = 0, b = 0, c = 0;
};

// "gemm [128, 64] = [128, 512] [512, 64]^T", for errors and tables; "8 x gemm …" for a batch.
std::string to_string(const GemmShape& shape);
std::string to_string(const GemmShape& shape, const GemmBatch& batch);

template <class T>
constexpr Cost gemm_cost(const GemmShape& shape, const GemmBatch& batch = {}) {
  const int64_t size = sizeof(T), count = batch.count;
  const int64_t a = shape.m * shape.k * (batch.a == 0 ? 1 : count);
  const int64_t b = shape.k * shape.n * (batch.b == 0 ? 1 : count);
  return {(a + b) * size, count * shape.m * shape.n * size,
          2 * count * shape.m * shape.n * shape.k};
}

template <class T>
class GemmBackend;

// One product, or a batch of them, made ready for a shape, for both write modes: library primitives
// and descriptors are made here, and the library's algorithm is chosen, never in run(), whose
// stream has the constructor's device and thread count. Not shared between threads.
template <class T>
class Gemm {
 public:
  // A size below 1 is an Error(Usage), as are products whose results overlap.
  Gemm(const Stream& stream, const GemmShape& shape, const GemmBatch& batch = {});
  ~Gemm();
  Gemm(Gemm&&) noexcept;

  int64_t scratch_bytes() const;
  // scratch: scratch_bytes(), 64-byte aligned; on CUDA a, b and c (a batch's first) are so too.
  void run(const Stream& stream, const T* a, const T* b, T* c, Write mode, void* scratch) const;

  // What runs it: a name of the library's, or of ours.
  std::string description() const;

 private:
  std::unique_ptr<GemmBackend<T>> backend_;
};

}  // namespace basin
