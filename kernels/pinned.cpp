#include "kernels/pinned.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/error.h"
#include "kernels/has_cuda.h"

namespace basin {

namespace cuda {  // pinned.cu
void* allocate_pinned(const Stream& stream, int64_t bytes);
void release_pinned(void* data) noexcept;
void copy_to_device_async(const Stream& stream, void* device, const void* pinned, int64_t bytes);
void copy_to_host_async(const Stream& stream, void* pinned, const void* device, int64_t bytes);
}  // namespace cuda

namespace {
constexpr int64_t kAlignment = 64;  // a cache line, and the widest vector
}

PinnedBuffer::PinnedBuffer(const Stream& stream, int64_t bytes)
    : bytes_(bytes), device_(stream.kind()) {
  if (bytes == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      data_ = static_cast<std::byte*>(cuda::allocate_pinned(stream, bytes));
      return;
    }
  }
  data_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, round_up(bytes, kAlignment)));
  if (data_ == nullptr) fail_run("memory", "could not allocate {} bytes", bytes);
}

PinnedBuffer::~PinnedBuffer() {
  if constexpr (kHasCuda) {
    if (device_ == DeviceKind::Cuda) {
      cuda::release_pinned(data_);
      return;
    }
  }
  std::free(data_);
}

PinnedBuffer::PinnedBuffer(PinnedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      device_(other.device_) {}

PinnedBuffer& PinnedBuffer::operator=(PinnedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(device_, other.device_);
  return *this;
}

void copy_to_device_async(const Stream& stream, void* device, const void* pinned, int64_t bytes) {
  if (bytes == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::copy_to_device_async(stream, device, pinned, bytes);
  }
  std::memcpy(device, pinned, static_cast<size_t>(bytes));
}

void copy_to_host_async(const Stream& stream, void* pinned, const void* device, int64_t bytes) {
  if (bytes == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::copy_to_host_async(stream, pinned, device, bytes);
  }
  std::memcpy(pinned, device, static_cast<size_t>(bytes));
}

}  // namespace basin
