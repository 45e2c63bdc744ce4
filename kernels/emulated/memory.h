// Memory that behaves like a device's: the host faults when it touches it, fresh bytes are NaN,
// every buffer stands between sentinels and before an unmapped page, and an address is never given
// out twice, so that a freed buffer stays out of reach. Pinned memory is the same with a Window
// that stays open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace basin::emulated {

class Memory {
 public:
  // `kind`: what an error calls its buffers.
  Memory(int64_t capacity, const char* kind);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // `bytes` of 256-byte aligned memory; Fault(OutOfMemory) says what is free.
  void* allocate(size_t bytes);
  int64_t capacity() const { return capacity_; }
  int64_t free() const { return free_; }
  // Fault(InvalidValue) for what allocate() did not return, or has been released.
  void release(void* data);

  // Whether the address is one of this memory's.
  bool owns(const void* data) const;
  // Fault(InvalidValue) unless [data, data + bytes) lies in one live buffer.
  void require(const void* data, size_t bytes, const char* what) const;
  // The buffer that an address belongs to, or belonged to, in words.
  std::string describe(const void* address) const;
  // The first buffer whose sentinels have been written, in words; empty where there is none.
  std::string damage() const;

  // While one lives, device memory can be touched.
  class Window {
   public:
    explicit Window(Memory& memory) : memory_(memory) { memory_.open(); }
    ~Window() { memory_.close(); }
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;

   private:
    Memory& memory_;
  };

 private:
  struct Buffer {
    std::byte *begin, *data, *end;  // its pages: sentinels, the data, what is left of the last 256
    size_t bytes;
  };
  using Buffers = std::map<const std::byte*, Buffer>;  // by the address of the first page
  void open();
  void close();
  void protect(const Buffer& buffer, int protection) const;
  // The buffer in, or right behind, whose pages an address lies; null where there is none.
  static const Buffer* find(const Buffers& buffers, const void* address);

  const char* kind_;
  std::byte *arena_, *cursor_;
  int64_t capacity_, free_;
  int windows_ = 0;
  Buffers live_, freed_;
};

}  // namespace basin::emulated
