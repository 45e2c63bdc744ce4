// The emulated cuBLASLt by itself: each of its checks fires, TF32 is seen, a product waits for its
// stream; and Gemm on it: nothing of the library is left behind, whichever call fails.
#include "kernels/emulated/cublas.h"

#include <cublasLt.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "kernels/emulated/product.h"
#include "kernels/gemm.h"
#include "tests/kernels/emulated/fixture.cuh"
#include "tests/support/compare.h"

namespace basin::test {
namespace {

using emulated::Settings;
using testing::HasSubstr;

// D = A B of float32, column-major, [4, 64] [64, 8], with all that its call takes: a test spoils
// one thing of it.
struct Product {
  const Stream stream;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType_t scale = CUDA_R_32F, type = CUDA_R_32F;
  int32_t transpose_a = CUBLAS_OP_N;
  uint64_t m = 4, n = 8, k = 64, k_of_b = 64, rows_of_c = 4;
  int64_t lda = 4, ldb = 64, ldc = 4;
  uint64_t most_workspace = 1 << 20;
  uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, alignment = 64;
  size_t bytes_of_transpose = sizeof(int32_t);
  int32_t batch = 1, batch_of_d = 1;
  int64_t stride_a = 0, stride_d = 0;

  cublasLtMatmulDesc_t op = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr, d = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatmulHeuristicResult_t found{};
  int count = -1;

  Buffer memory;  // A, B, D and the workspace, 4 KiB each
  float one = 1, zero = 0;
  const void *alpha = &one, *beta = &zero;
  std::byte *a_at, *b_at, *d_at, *workspace;
  size_t workspace_bytes = 0;

  explicit Product(const Stream& stream) : stream(stream), memory(stream, 4 * 4096) {
    a_at = memory.data();
    b_at = a_at + 4096;
    d_at = b_at + 4096;
    workspace = d_at + 4096;
  }
  ~Product() {
    cublasLtMatmulDescDestroy(op);
    for (const auto layout : {a, b, c, d}) cublasLtMatrixLayoutDestroy(layout);
    cublasLtMatmulPreferenceDestroy(preference);
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  void describe() {
    BASIN_CUDA_CALL(cublasLtMatmulDescCreate(&op, compute, scale));
    BASIN_CUDA_CALL(cublasLtMatmulDescSetAttribute(op, CUBLASLT_MATMUL_DESC_TRANSA, &transpose_a,
                                                   bytes_of_transpose));
    BASIN_CUDA_CALL(cublasLtMatrixLayoutCreate(&a, type, m, k, lda));
    BASIN_CUDA_CALL(cublasLtMatrixLayoutCreate(&b, type, k_of_b, n, ldb));
    BASIN_CUDA_CALL(cublasLtMatrixLayoutCreate(&c, type, rows_of_c, n, ldc));
    BASIN_CUDA_CALL(cublasLtMatrixLayoutCreate(&d, type, m, n, 4));
    const auto repeat = [](cublasLtMatrixLayout_t layout, int32_t times, int64_t stride) {
      BASIN_CUDA_CALL(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                       &times, sizeof(times)));
      BASIN_CUDA_CALL(cublasLtMatrixLayoutSetAttribute(
          layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof(stride)));
    };
    repeat(a, batch, stride_a), repeat(b, batch, 0);
    repeat(c, batch, stride_d), repeat(d, batch_of_d, stride_d);
    BASIN_CUDA_CALL(cublasLtMatmulPreferenceCreate(&preference));
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      BASIN_CUDA_CALL(
          cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_workspace);
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reduction);
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      prefer(attribute, alignment);
    }
  }
  void choose(int requested = 1) {
    BASIN_CUDA_CALL(cublasLtMatmulAlgoGetHeuristic(stream.cuda_stream().blas, op, a, b, c, d,
                                                   preference, requested, &found, &count));
    workspace_bytes = found.workspaceSize;
  }
  void multiply() {
    BASIN_CUDA_CALL(cublasLtMatmul(stream.cuda_stream().blas, op, alpha, a_at, a, b_at, b, beta,
                                   d_at, c, d_at, d, &found.algo, workspace, workspace_bytes,
                                   stream.cuda_stream().stream));
  }
};

class EmulatedCublas : public Emulated {
 protected:
  // The line of the error, where the product's members were changed so before it was described, or
  // after its algorithm was chosen.
  template <class Change>
  static std::string described(const Change& change) {
    Product product(Stream::cuda(0));
    change(product);
    return error_of([&] { product.describe(), product.choose(); });
  }
  template <class Change>
  static std::string multiplied(const Change& change) {
    Product product(Stream::cuda(0));
    product.describe(), product.choose();
    change(product);
    return error_of([&] { product.multiply(); });
  }
  // The result of the whole product, of random factors, run as it is.
  static std::vector<float> result(Product& product) {
    const auto a = random_values<float>(4 * 64, 1), b = random_values<float>(64 * 8, 2);
    copy_to_device(product.stream, product.a_at, a.data(), 4 * 64 * sizeof(float));
    copy_to_device(product.stream, product.b_at, b.data(), 64 * 8 * sizeof(float));
    product.multiply();
    std::vector<float> d(4 * 8);
    copy_to_host(product.stream, d.data(), product.d_at, 4 * 8 * sizeof(float));
    return d;
  }
  // [1, 1] = x * y, by Gemm.
  template <class T>
  static T times(Tf32 tf32, T x, T y) {
    const Stream stream = Stream::cuda(0, tf32);
    const Gemm<T> gemm(stream, {1, 1, 1});
    const Buffer a = make<T>(stream, 1), b = make<T>(stream, 1), c = make<T>(stream, 1);
    copy_to_device(stream, a.data(), &x, sizeof(x));
    copy_to_device(stream, b.data(), &y, sizeof(y));
    gemm.run(stream, at<T>(a), at<T>(b), at<T>(c), Write::Overwrite, nullptr);
    return values<T>(stream, c)[0];
  }
};

TEST_F(EmulatedCublas, DescriptorsThatDoNotGoTogetherAreRefused) {
  const auto expect = [](const char* what, const auto& change) {
    const std::string error = described(change);
    EXPECT_THAT(error, HasSubstr("CUBLAS_STATUS_INVALID_VALUE: "));
    EXPECT_THAT(error, HasSubstr(what));
  };
  expect("scale and computation differ", [](Product& p) { p.scale = CUDA_R_64F; });
  expect("data and computation differ", [](Product& p) { p.type = CUDA_R_64F; });
  expect("type of data that is not emulated", [](Product& p) { p.type = CUDA_R_16F; });
  expect("computation that is not emulated", [](Product& p) { p.compute = CUBLAS_COMPUTE_16F; });
  expect("a leading dimension below the rows: float32 A [4, 64] ld 3, B [64, 8] ld 64",
         [](Product& p) { p.lda = 3; });
  expect("inner extents differ", [](Product& p) { p.k_of_b = 63; });
  expect("inner extents differ", [](Product& p) { p.transpose_a = CUBLAS_OP_T; });
  expect("extents of C and D differ", [](Product& p) { p.rows_of_c = 3; });
  expect("an empty matrix", [](Product& p) { p.k = p.k_of_b = 0; });
  expect("an attribute of 8 bytes, expected 4", [](Product& p) { p.bytes_of_transpose = 8; });
  expect("not a transpose", [](Product& p) { p.transpose_a = 7; });
  expect("the sizes of the batches differ", [](Product& p) { p.batch_of_d = 2, p.stride_d = 32; });
  expect("the results of a batch overlap",
         [](Product& p) { p.batch = p.batch_of_d = 2, p.stride_d = 31; });
  expect("an empty batch", [](Product& p) { p.batch = p.batch_of_d = 0; });
}

TEST_F(EmulatedCublas, DDoesNotHaveOtherExtentsThanTheProduct) {
  Product product(Stream::cuda(0));
  product.describe();
  std::swap(product.c, product.b);  // [64, 8] as the result
  EXPECT_THAT(error_of([&] { product.choose(); }), HasSubstr("inner extents differ"));
  std::swap(product.c, product.b);
  BASIN_CUDA_CALL(cublasLtMatrixLayoutDestroy(product.d));
  BASIN_CUDA_CALL(cublasLtMatrixLayoutCreate(&product.d, CUDA_R_32F, 4, 9, 4));
  EXPECT_THAT(error_of([&] { product.choose(); }), HasSubstr("D has not the product's extents"));
}

TEST_F(EmulatedCublas, ObjectsThatAreGoneAreRefused) {
  EXPECT_THAT(multiplied([](Product& p) { cublasLtMatrixLayoutDestroy(p.a); }),
              HasSubstr("not a matrix layout, or one that was destroyed"));
  EXPECT_THAT(multiplied([](Product& p) { cublasLtMatmulDescDestroy(p.op); }),
              HasSubstr("not a matmul descriptor"));
  EXPECT_THAT(multiplied([](Product& p) {
                cublasLtMatrixLayoutDestroy(p.b);
                p.b = reinterpret_cast<cublasLtMatrixLayout_t>(p.op);
              }),
              HasSubstr("not a matrix layout"));
  Product product(Stream::cuda(0));
  product.describe();
  cublasLtMatmulPreferenceDestroy(product.preference);
  EXPECT_THAT(error_of([&] { product.choose(); }), HasSubstr("not a preference"));
  EXPECT_EQ(cublasLtMatmulPreferenceDestroy(product.preference), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(cublasLtDestroy(nullptr), CUBLAS_STATUS_INVALID_VALUE);
}

TEST_F(EmulatedCublas, ArraysThatAreNotAsPromisedAreRefused) {
  const auto expect = [](const char* what, const auto& change) {
    EXPECT_THAT(multiplied(change), HasSubstr(what));
  };
  static std::byte host[4096];
  expect("A, 1024 bytes: host memory", [](Product& p) { p.a_at = host; });
  expect("B, 2048 bytes: byte 14400 of a buffer of 16384 bytes",
         [](Product& p) { p.b_at = p.a_at + 14400; });
  expect("C: expected 64-byte alignment, as promised, found byte 8224",
         [](Product& p) { p.d_at += 32; });
  expect("D overlaps an operand", [](Product& p) { p.d_at = p.a_at + 512; });
  expect("a workspace of 0 bytes, expected 256", [](Product& p) { p.workspace_bytes = 0; });
  expect("workspace, 256 bytes: host memory", [](Product& p) { p.workspace = nullptr; });
  expect("the workspace is not aligned to 256", [](Product& p) { p.workspace += 64; });
  expect("the workspace overlaps a matrix", [](Product& p) { p.workspace = p.b_at; });
  expect("alpha and beta lie on the host", [](Product& p) { p.alpha = p.a_at; });
  expect("alpha and beta lie on the host", [](Product& p) { p.beta = nullptr; });
}

TEST_F(EmulatedCublas, BatchesThatAreNotAsPromisedAreRefused) {
  const auto multiply = [](int32_t batch, int64_t stride_a) {
    Product product(Stream::cuda(0));
    product.batch = product.batch_of_d = batch;
    product.stride_a = stride_a, product.stride_d = 32;
    product.describe(), product.choose();
    product.multiply();
    product.stream.synchronize();
  };
  multiply(3, 256);
  const auto expect = [&](const char* what, int32_t batch, int64_t stride_a) {
    EXPECT_THAT(error_of([&] { multiply(batch, stride_a); }), HasSubstr(what));
  };
  expect("A, 66560 bytes: byte 0 of a buffer of 16384 bytes", 17, 1024);
  expect("A: expected 64-byte alignment, as promised, found a batch by 4000 bytes", 3, 1000);
  expect("D overlaps an operand", 3, 1024);
}

TEST_F(EmulatedCublas, AnAlgorithmIsForItsProblem) {
  EXPECT_THAT(multiplied([](Product& p) { p.found.algo = {}; }),
              HasSubstr("an algorithm that the heuristic did not return"));
  EXPECT_THAT(multiplied([](Product& p) {
                cublasLtMatrixLayoutDestroy(p.a);
                BASIN_CUDA_CALL(cublasLtMatrixLayoutCreate(&p.a, CUDA_R_32F, 4, 64, 8));
              }),
              HasSubstr("an algorithm for another problem than float32 A [4, 64] ld 8"));
}

TEST_F(EmulatedCublas, TheHeuristicMayFindNothing) {
  Product product(Stream::cuda(0));
  product.describe();
  EXPECT_THAT(error_of([&] { product.choose(0); }), HasSubstr("no algorithm is asked for"));
  const Stream stream = Stream::cuda(0);
  EXPECT_EQ(
      error_of([&] {
        Gemm<float>(stream, {int64_t{1} << 31, 1, 1});
      }),
      "[cublas]: cublasLtMatmul of gemm [2147483648, 1] = [2147483648, 1] [1, 1]: the library "
      "has no algorithm");
}

TEST_F(EmulatedCublas, AProductWaitsForItsStreamAndSpoilsTheWorkspace) {
  Product product(Stream::cuda(0));
  product.describe(), product.choose();
  zero(product.stream, product.memory.data(), product.memory.bytes());
  product.stream.synchronize();
  product.multiply();
  cublasLtMatrixLayoutDestroy(product.c);  // what was put on a stream needs no descriptor
  const auto all = values<float>(product.stream, product.memory);
  const auto* workspace = all.data() + 3 * 1024;
  EXPECT_EQ(all[2 * 1024], 0);
  EXPECT_TRUE(std::isnan(workspace[0]) && std::isnan(workspace[63]));
  EXPECT_EQ(workspace[64], 0);
}

TEST_F(EmulatedCublas, InPlaceReductionsGiveOtherBytes) {
  for (const bool in_place : {false, true}) {
    Product product(Stream::cuda(0));
    if (in_place) product.reduction = CUBLASLT_REDUCTION_SCHEME_MASK;
    product.describe(), product.choose();
    std::set<std::vector<float>> all;
    for (int run = 0; run < 2; ++run) all.insert(result(product));
    EXPECT_EQ(all.size(), in_place ? 2U : 1U);
  }
}

TEST_F(EmulatedCublas, Tf32KeepsTenBits) {
  using emulated::to_tf32;
  EXPECT_EQ(to_tf32(1 + std::ldexp(1.0F, -10)), 1 + std::ldexp(1.0F, -10));
  EXPECT_EQ(to_tf32(1 + std::ldexp(1.0F, -11)), 1 + std::ldexp(1.0F, -10)) << "halfway: away";
  EXPECT_EQ(to_tf32(-1 - std::ldexp(1.0F, -12)), -1);
  EXPECT_EQ(to_tf32(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(to_tf32(NAN)));
  const float x = 1 + std::ldexp(1.0F, -12);
  EXPECT_EQ(times<float>(Tf32::No, x, 1), x);
  EXPECT_EQ(times<float>(Tf32::Yes, x, 1), 1);
  EXPECT_EQ(times<float>(Tf32::Yes, 1, x), 1);
  EXPECT_EQ(times<double>(Tf32::Yes, x, 1), x);
}

// Each call of a product's life fails once: there is one line, and nothing is left of the library.
TEST_F(EmulatedCublas, EveryCallOfAProductCanFail) {
  const auto work = [] {
    const Stream stream = Stream::cuda(0);
    const GemmShape s{3, 5, 64};
    const Gemm<float> gemm(stream, s);
    const Buffer a = make<float>(stream, s.m * s.k), b = make<float>(stream, s.k * s.n);
    const Buffer c = make<float>(stream, s.m * s.n), scratch(stream, gemm.scratch_bytes());
    gemm.run(stream, at<float>(a), at<float>(b), at<float>(c), Write::Overwrite, scratch.data());
    stream.synchronize();
  };
  const auto look = [](const std::string& line) {
    EXPECT_EQ(emulated::live_cublas_objects(), 0U) << line;
  };
  EXPECT_GT(fail_each_call(100, work, look), 20);
  Settings settings;
  settings.fail_call = "cublasLtMatmul";
  settings.fail_at = 1;
  fresh(settings);
  EXPECT_EQ(error_of(work),
            "[cublas]: cublasLtMatmul of gemm [3, 5] = [3, 64] [64, 5]: "
            "CUBLAS_STATUS_EXECUTION_FAILED: asked for: call 1 fails");
}

}  // namespace
}  // namespace basin::test
