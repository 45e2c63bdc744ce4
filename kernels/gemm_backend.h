// What stands behind Gemm: one class a library, made for one shape. Private to the gemm family.
#pragma once

#include <memory>
#include <string>

#include "kernels/gemm.h"

namespace basin {

// The members of Gemm, under the same contract; Gemm has checked the shape.
template <class T>
class GemmBackend {
 public:
  virtual ~GemmBackend() = default;

  virtual int64_t scratch_bytes() const = 0;
  virtual void run(const Stream& stream, const T* a, const T* b, T* c, Write mode,
                   void* scratch) const = 0;
  virtual std::string description() const = 0;
};

std::unique_ptr<GemmBackend<float>> make_onednn_gemm(const Stream& stream, const GemmShape& shape);
template <class T>
std::unique_ptr<GemmBackend<T>> make_cublas_gemm(const Stream& stream, const GemmShape& shape,
                                                 const GemmBatch& batch);

}  // namespace basin
