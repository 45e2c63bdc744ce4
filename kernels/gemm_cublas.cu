// The matrix product on CUDA, by cuBLASLt. Its matrices are column-major, and a row-major matrix is
// the transpose of a column-major one: so it computes C^T = op(B)^T op(A)^T, with the operands in
// exchanged places and nothing moved.
#include <algorithm>
#include <numeric>
#include <type_traits>
#include <utility>

#include "kernels/gemm_backend.h"
#include "kernels/launch.cuh"

namespace basin {
namespace {

// The most that an algorithm may ask for: what NVIDIA advises for Hopper.
constexpr uint64_t kMostWorkspace = uint64_t{32} << 20;
constexpr int64_t kWorkspaceAlignment = 256;  // the library's demand
constexpr int64_t kAlignment = 64;            // what it gets: of operands and of scratch

template <auto destroy>
struct Destroy {
  template <class Opaque>
  void operator()(Opaque* opaque) const {
    destroy(opaque);
  }
};
using Operation = std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy<cublasLtMatmulDescDestroy>>;
using Matrix = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy<cublasLtMatrixLayoutDestroy>>;
using Preference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy<cublasLtMatmulPreferenceDestroy>>;

template <class T>
constexpr cudaDataType_t kDataType = CUDA_R_32F;
template <>
constexpr cudaDataType_t kDataType<double> = CUDA_R_64F;

template <class T>
cublasComputeType_t compute_type(Tf32 tf32) {
  if constexpr (std::is_same_v<T, double>) return CUBLAS_COMPUTE_64F;
  return tf32 == Tf32::Yes ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

void set(const Operation& operation, cublasLtMatmulDescAttributes_t attribute, int32_t value) {
  BASIN_CUDA_CALL(
      cublasLtMatmulDescSetAttribute(operation.get(), attribute, &value, sizeof(value)));
}
template <class Value>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute,
         Value value) {
  BASIN_CUDA_CALL(
      cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof(value)));
}

template <class Value>
void set(const Matrix& matrix, cublasLtMatrixLayoutAttribute_t attribute, Value value) {
  BASIN_CUDA_CALL(cublasLtMatrixLayoutSetAttribute(matrix.get(), attribute, &value, sizeof(value)));
}

template <class T>
Operation make_operation(const GemmShape& s, Tf32 tf32) {
  cublasLtMatmulDesc_t made = nullptr;
  BASIN_CUDA_CALL(cublasLtMatmulDescCreate(&made, compute_type<T>(tf32), kDataType<T>));
  Operation operation(made);
  const auto op = [](Transpose t) { return t == Transpose::Yes ? CUBLAS_OP_T : CUBLAS_OP_N; };
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, op(s.b));
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, op(s.a));
  return operation;
}

// What lies in memory as row-major [rows, columns], or as its transpose, as the library sees it.
template <class T>
Matrix make_matrix(int64_t rows, int64_t columns, Transpose transpose, int64_t count,
                   int64_t stride) {
  if (transpose == Transpose::Yes) std::swap(rows, columns);
  cublasLtMatrixLayout_t made = nullptr;
  BASIN_CUDA_CALL(cublasLtMatrixLayoutCreate(&made, kDataType<T>, static_cast<uint64_t>(columns),
                                             static_cast<uint64_t>(rows), columns));
  Matrix matrix(made);
  if (count > 1) {
    set(matrix, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<int32_t>(count));
    set(matrix, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, stride);
  }
  return matrix;
}

// What all matrices of a batch are aligned to, in bytes, where its first has kAlignment.
template <class T>
uint32_t alignment_of(int64_t count, int64_t stride) {
  const int64_t step = count == 1 ? 0 : stride * int64_t{sizeof(T)};
  return static_cast<uint32_t>(std::gcd(step, kAlignment));
}

template <class T>
Preference make_preference(const GemmBatch& batch) {
  cublasLtMatmulPreference_t made = nullptr;
  BASIN_CUDA_CALL(cublasLtMatmulPreferenceCreate(&made));
  Preference preference(made);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMostWorkspace);
  // Where k is split, the parts lie in the workspace and are added in one order; to add each to the
  // result in place is left out, as their order may change from run to run.
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  const std::pair<cublasLtMatmulPreferenceAttributes_t, int64_t> strides[] = {
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, batch.b},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, batch.a},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, batch.c},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, batch.c}};
  for (const auto& [attribute, stride] : strides) {
    set(preference, attribute, alignment_of<T>(batch.count, stride));
  }
  return preference;
}

template <class T>
class CublasGemm final : public GemmBackend<T> {
 public:
  CublasGemm(const Stream& stream, const GemmShape& s, const GemmBatch& batch)
      : what_("cublasLtMatmul of " + to_string(s, batch)), tf32_(stream.cuda_stream().tf32) {
    CudaStream& device = stream.cuda_stream();
    BASIN_CUDA_CALL(cudaSetDevice(device.index));
    operation_ = make_operation<T>(s, tf32_);
    b_ = make_matrix<T>(s.k, s.n, s.b, batch.count, batch.b);
    a_ = make_matrix<T>(s.m, s.k, s.a, batch.count, batch.a);
    c_ = make_matrix<T>(s.m, s.n, Transpose::No, batch.count, batch.c);
    const Preference preference = make_preference<T>(batch);
    constexpr int kCandidates = 8;  // the fastest first; not each of them need be one that runs
    cublasLtMatmulHeuristicResult_t found[kCandidates];
    int count = 0;
    cuda::check(
        cublasLtMatmulAlgoGetHeuristic(device.blas, operation_.get(), b_.get(), a_.get(), c_.get(),
                                       c_.get(), preference.get(), kCandidates, found, &count),
        ("cublasLtMatmulAlgoGetHeuristic of " + to_string(s, batch)).c_str());
    const auto* best = std::find_if(
        found, found + count, [](const auto& each) { return each.state == CUBLAS_STATUS_SUCCESS; });
    if (best == found + count) fail_run("[cublas]", "{}: the library has no algorithm", what_);
    algorithm_ = best->algo;
    workspace_bytes_ = best->workspaceSize;
  }

  int64_t scratch_bytes() const override {
    if (workspace_bytes_ == 0) return 0;
    return static_cast<int64_t>(workspace_bytes_) + kWorkspaceAlignment - kAlignment;
  }

  void run(const Stream& stream, const T* a, const T* b, T* c, Write mode,
           void* scratch) const override {
    CudaStream& device = stream.cuda_stream();
    BASIN_CUDA_CALL(cudaSetDevice(device.index));
    const T alpha = 1, beta = mode == Write::Overwrite ? T(0) : T(1);  // with 0, c is not read
    void* workspace = nullptr;
    if (workspace_bytes_ > 0) {
      workspace = reinterpret_cast<void*>(
          round_up(reinterpret_cast<std::uintptr_t>(scratch), std::uintptr_t{kWorkspaceAlignment}));
    }
    cuda::check(cublasLtMatmul(device.blas, operation_.get(), &alpha, b, b_.get(), a, a_.get(),
                               &beta, c, c_.get(), c, c_.get(), &algorithm_, workspace,
                               workspace_bytes_, device.stream),
                what_.c_str());
  }

  std::string description() const override {
    if constexpr (std::is_same_v<T, double>) return "cuBLASLt";
    return tf32_ == Tf32::Yes ? "cuBLASLt, TF32" : "cuBLASLt";
  }

 private:
  std::string what_;
  Tf32 tf32_;
  Operation operation_;
  Matrix b_, a_, c_;  // in the library's order
  cublasLtMatmulAlgo_t algorithm_{};
  size_t workspace_bytes_ = 0;
};

}  // namespace

template <class T>
std::unique_ptr<GemmBackend<T>> make_cublas_gemm(const Stream& stream, const GemmShape& shape,
                                                 const GemmBatch& batch) {
  return std::make_unique<CublasGemm<T>>(stream, shape, batch);
}

template std::unique_ptr<GemmBackend<float>> make_cublas_gemm(const Stream&, const GemmShape&,
                                                              const GemmBatch&);
template std::unique_ptr<GemmBackend<double>> make_cublas_gemm(const Stream&, const GemmShape&,
                                                               const GemmBatch&);

}  // namespace basin
