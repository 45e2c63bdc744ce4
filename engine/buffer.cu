// Device memory of Buffer, through the CUDA runtime.
#include <cuda_runtime.h>

#include "engine/buffer.h"
#include "kernels/error.h"

namespace basin::cuda {
namespace {

void check(cudaError_t status, const char* call, int64_t bytes) {
  if (status == cudaSuccess) return;
  fail_run("cuda", "{} of {} bytes failed: {}", call, bytes, cudaGetErrorString(status));
}

}  // namespace

void* allocate(const Stream&, int64_t bytes) {
  void* data = nullptr;
  check(cudaMalloc(&data, static_cast<size_t>(bytes)), "cudaMalloc", bytes);
  return data;
}

void release(void* data) noexcept { cudaFree(data); }

// The default stream is ordered with every blocking stream, so these need no handle of their own.
void zero(const Stream&, void* data, int64_t bytes) {
  check(cudaMemset(data, 0, static_cast<size_t>(bytes)), "cudaMemset", bytes);
}

void copy_to_device(const Stream& stream, void* device, const void* host, int64_t bytes) {
  stream.synchronize();
  check(cudaMemcpy(device, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice), "cudaMemcpy",
        bytes);
}

void copy_to_host(const Stream& stream, void* host, const void* device, int64_t bytes) {
  stream.synchronize();
  check(cudaMemcpy(host, device, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost), "cudaMemcpy",
        bytes);
}

}  // namespace basin::cuda
