// Host memory that a GPU copies from and to by itself, while the host goes on: pages that stay
// where they are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/stream.h"

namespace basin {

class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  // `bytes` of host memory for the copies of this stream's device, uninitialised; plain aligned
  // memory where that is a CPU. Error(Run) says how much was asked for.
  PinnedBuffer(const Stream& stream, int64_t bytes);
  // No copy of it may be under way.
  ~PinnedBuffer();
  PinnedBuffer(PinnedBuffer&& other) noexcept;
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept;

  std::byte* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
  DeviceKind device_ = DeviceKind::Cpu;
};

// Copies in the stream's order, for which the host does not wait: until the stream, or an event
// behind the copy, has been waited for, `pinned` must not be written, or not be read. A captured
// copy reads or writes at each launch of its graph. At once on a CPU.
void copy_to_device_async(const Stream& stream, void* device, const void* pinned, int64_t bytes);
void copy_to_host_async(const Stream& stream, void* pinned, const void* device, int64_t bytes);

}  // namespace basin
