// Memory on a device: one aligned allocation, owned, moved and never copied by accident.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/stream.h"

namespace basin {

class Buffer {
 public:
  static constexpr int64_t kAlignment = 64;  // a cache line, and the widest vector

  Buffer() = default;
  // `bytes` of memory where `stream` runs, uninitialised; Error(Run) says how much was asked for.
  Buffer(const Stream& stream, int64_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  DeviceKind device() const { return device_; }

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
  DeviceKind device_ = DeviceKind::Cpu;
};

// Sets every byte to 0, in the stream's order.
void zero(const Stream& stream, void* data, int64_t bytes);
// Between memory of the stream's device and the host; both wait until the copy is done.
void copy_to_device(const Stream& stream, void* device, const void* host, int64_t bytes);
void copy_to_host(const Stream& stream, void* host, const void* device, int64_t bytes);

// A copy of `values` in the stream's memory.
template <class T>
Buffer copied(const Stream& stream, const std::vector<T>& values) {
  Buffer memory(stream, static_cast<int64_t>(values.size() * sizeof(T)));
  copy_to_device(stream, memory.data(), values.data(), memory.bytes());
  return memory;
}

}  // namespace basin
