#include "engine/buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/error.h"
#include "kernels/has_cuda.h"

namespace basin {

namespace cuda {  // buffer.cu
void* allocate(const Stream& stream, int64_t bytes);
void release(void* data) noexcept;
void zero(const Stream& stream, void* data, int64_t bytes);
void copy_to_device(const Stream& stream, void* device, const void* host, int64_t bytes);
void copy_to_host(const Stream& stream, void* host, const void* device, int64_t bytes);
}  // namespace cuda

Buffer::Buffer(const Stream& stream, int64_t bytes) : bytes_(bytes), device_(stream.kind()) {
  if (bytes == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      data_ = static_cast<std::byte*>(cuda::allocate(stream, bytes));
      return;
    }
  }
  data_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, round_up(bytes, kAlignment)));
  if (data_ == nullptr) {
    fail_run("memory", "could not allocate {} bytes: use a smaller batch or model", bytes);
  }
}

Buffer::~Buffer() {
  if constexpr (kHasCuda) {
    if (device_ == DeviceKind::Cuda) {
      cuda::release(data_);
      return;
    }
  }
  std::free(data_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      device_(other.device_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(device_, other.device_);
  return *this;
}

void zero(const Stream& stream, void* data, int64_t bytes) {
  if (bytes == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::zero(stream, data, bytes);
  }
  std::memset(data, 0, static_cast<size_t>(bytes));
}

void copy_to_device(const Stream& stream, void* device, const void* host, int64_t bytes) {
  if (bytes == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::copy_to_device(stream, device, host, bytes);
  }
  std::memcpy(device, host, static_cast<size_t>(bytes));
}

void copy_to_host(const Stream& stream, void* host, const void* device, int64_t bytes) {
  if (bytes == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::copy_to_host(stream, host, device, bytes);
  }
  std::memcpy(host, device, static_cast<size_t>(bytes));
}

}  // namespace basin
