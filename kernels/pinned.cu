// The CUDA side of PinnedBuffer and its copies.
#include "kernels/pinned.h"

#include "kernels/launch.cuh"

namespace basin::cuda {

void* allocate_pinned(const Stream& stream, int64_t bytes) {
  void* data = nullptr;
  BASIN_CUDA_CALL(cudaSetDevice(stream.device_index()));
  BASIN_CUDA_CALL(cudaHostAlloc(&data, static_cast<size_t>(bytes), cudaHostAllocDefault));
  return data;
}

void release_pinned(void* data) noexcept {
  cudaFreeHost(data);
}

void copy_to_device_async(const Stream& stream, void* device, const void* pinned, int64_t bytes) {
  BASIN_CUDA_CALL(cudaMemcpyAsync(device, pinned, static_cast<size_t>(bytes),
                                  cudaMemcpyHostToDevice, stream.cuda_stream().stream));
}

void copy_to_host_async(const Stream& stream, void* pinned, const void* device, int64_t bytes) {
  BASIN_CUDA_CALL(cudaMemcpyAsync(pinned, device, static_cast<size_t>(bytes),
                                  cudaMemcpyDeviceToHost, stream.cuda_stream().stream));
}

}  // namespace basin::cuda
