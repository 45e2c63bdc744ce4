// The CUDA side of a block kernel: the stream and its handles, the real Block (or the emulated
// device's), the checks, and the one launcher. The only header besides platform.h that speaks CUDA;
// included by .cu files.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cudnn_graph.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>

#include "kernels/block.h"
#include "kernels/error.h"
#include "kernels/stream.h"
#ifdef BASIN_EMULATED
#include "kernels/emulated/launch.h"
#endif

namespace basin {

struct ConvPlans;  // conv_choice.cu

struct CudaStream {
  CudaStream(int index, Tf32 tf32);
  // One beside `main`, whose handles it uses, and which outlives it.
  static std::shared_ptr<CudaStream> open_beside(const CudaStream& main);
  ~CudaStream();
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  int index = 0;
  Tf32 tf32 = Tf32::No;
  int multiprocessors = 0;
  cudaStream_t stream = nullptr;
  cublasLtHandle_t blas = nullptr;
  cudnnHandle_t dnn = nullptr;
  std::shared_ptr<ConvPlans> conv_plans;
  std::shared_ptr<CudaStream> side;  // the one beside it, once it was asked for

 private:
  CudaStream() = default;
  bool owns_handles_ = true;
};

namespace cuda {

// Throws Error(Run) with the text of the call; also clears the error, where it can be cleared.
inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  fail_run("[cuda]", "{}: {} ({})", call, cudaGetErrorString(status), cudaGetErrorName(status));
}
inline void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail_run("[cublas]", "{}: {}", call, cublasLtGetStatusString(status));
}
inline void check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[512] = "";
  cudnnGetLastErrorString(detail, sizeof(detail));
  std::replace(std::begin(detail), std::end(detail), '\n', ' ');
  fail_run("[cudnn]", "{}: {}{}{}", call, cudnnGetErrorString(status), *detail == 0 ? "" : "; ",
           detail);
}

// `blocks` blocks of `threads` threads; threads is a multiple of kWarpSize.
struct Grid {
  int64_t blocks;
  int threads;
};

#ifdef BASIN_EMULATED
using emulated::run_body, emulated::start;
#else
struct CudaBlock {
  BASIN_DEVICE int thread_rank() const { return static_cast<int>(threadIdx.x); }
  BASIN_DEVICE int num_threads() const { return static_cast<int>(blockDim.x); }
  BASIN_DEVICE int64_t block_rank() const { return blockIdx.x; }
  BASIN_DEVICE int64_t num_blocks() const { return gridDim.x; }
  BASIN_DEVICE void sync() { __syncthreads(); }
  template <class T>
  BASIN_DEVICE T shfl_xor(T value, int mask) {
    return __shfl_xor_sync(0xffffffffu, value, mask);
  }
};
static_assert(IsBlock<CudaBlock>);

template <class Body, class... Params>
__global__ void run_body(Params... params) {
  __shared__ typename Body::Shared shared;
  CudaBlock block;
  Body{}(block, shared, params...);
}

// The same for a body that names how many threads its blocks have at most, and how many such blocks
// a multiprocessor is to hold: the compiler gives a thread no more registers than that leaves.
template <class Body>
concept HasBounds = requires {
  Body::kMaxThreads;
  Body::kResidentBlocks;
};
template <class Body, class... Params>
__global__ void __launch_bounds__(Body::kMaxThreads, Body::kResidentBlocks)
    run_bounded_body(Params... params) {
  __shared__ typename Body::Shared shared;
  CudaBlock block;
  Body{}(block, shared, params...);
}

template <class Body, class... Params>
void start(cudaStream_t stream, const char*, Grid grid, Params... params) {
  const auto run = [&](void (*kernel)(Params...)) {
    kernel<<<static_cast<unsigned>(grid.blocks), static_cast<unsigned>(grid.threads), 0, stream>>>(
        params...);
  };
  if constexpr (HasBounds<Body>) {
    run(run_bounded_body<Body, Params...>);
  } else {
    run(run_body<Body, Params...>);
  }
}
#endif

// A grid for `work` independent pieces, one a thread, that a grid-stride loop covers: no more
// blocks than the device holds at once, as a further wave would only start later.
inline Grid grid_for(const Stream& stream, int64_t work, int threads = 256) {
  const int64_t resident = int64_t{stream.cuda_stream().multiprocessors} * (2048 / threads);
  return {std::clamp<int64_t>(ceil_div<int64_t>(work, threads), 1, resident), threads};
}
// The same for pieces that take a block each.
inline Grid grid_of_blocks(const Stream& stream, int64_t work, int threads = 256) {
  return grid_for(stream, work * threads, threads);
}

// Puts body(block, shared, params...) on the stream; `name` is what an error calls it.
template <class Body, class... Params>
void launch(const Stream& stream, const char* name, Grid grid, Params... params) {
  CudaStream& device = stream.cuda_stream();
  check(cudaSetDevice(device.index), "cudaSetDevice");
  start<Body>(device.stream, name, grid, params...);
  check(cudaGetLastError(), name);
}

}  // namespace cuda
}  // namespace basin

// BASIN_CUDA_CALL(cudaMemcpyAsync(...)): throws with the text of the call where it fails.
#define BASIN_CUDA_CALL(call) ::basin::cuda::check((call), #call)
