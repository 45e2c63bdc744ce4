// Device memory of Buffer, through the CUDA runtime.
#include "engine/buffer.h"
#include "kernels/launch.cuh"

namespace basin::cuda {

void* allocate(const Stream& stream, int64_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, static_cast<size_t>(bytes));
  if (status == cudaErrorMemoryAllocation) {
    const std::string why = cudaGetErrorString(status);
    cudaGetLastError();
    const DeviceMemory memory = basin::device_memory(stream);
    fail_run("[cuda]",
             "cudaMalloc of {} bytes: {}; {} of the device's {} are free: use a smaller --batch or "
             "--width",
             bytes, why, memory.free, memory.total);
  }
  check(status, "cudaMalloc");
  return data;
}

void release(void* data) noexcept {
  cudaFree(data);
}

void zero(const Stream& stream, void* data, int64_t bytes) {
  BASIN_CUDA_CALL(
      cudaMemsetAsync(data, 0, static_cast<size_t>(bytes), stream.cuda_stream().stream));
}

void copy_to_device(const Stream& stream, void* device, const void* host, int64_t bytes) {
  BASIN_CUDA_CALL(cudaMemcpyAsync(device, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                                  stream.cuda_stream().stream));
  stream.synchronize();
}

void copy_to_host(const Stream& stream, void* host, const void* device, int64_t bytes) {
  BASIN_CUDA_CALL(cudaMemcpyAsync(host, device, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost,
                                  stream.cuda_stream().stream));
  stream.synchronize();
}

}  // namespace basin::cuda
