#include "kernels/emulated/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "kernels/emulated/sanitizer.h"
#include "kernels/emulated/status.h"
#include "kernels/platform.h"

namespace basin::emulated {
namespace {

constexpr size_t kArena = size_t{1} << 40;  // of addresses; pages come as buffers do
constexpr size_t kPage = 4096, kAlignment = 256;
constexpr int kFresh = 0xff, kSentinel = 0xa5;

// Reads redzones, which is its task.
BASIN_NO_ASAN bool all_sentinels(const std::byte* begin, const std::byte* end) {
  for (const std::byte* p = begin; p < end; ++p) {
    if (*p != std::byte{kSentinel}) return false;
  }
  return true;
}

}  // namespace

Memory::Memory(int64_t capacity, const char* kind)
    : kind_(kind), capacity_(capacity), free_(capacity) {
  void* arena =
      mmap(nullptr, kArena, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arena == MAP_FAILED) throw std::bad_alloc();
  arena_ = static_cast<std::byte*>(arena);
  cursor_ = arena_ + kPage;
}

Memory::~Memory() {
  for (const auto& [begin, buffer] : live_)
    unpoison(begin, static_cast<size_t>(buffer.end - begin));
  munmap(arena_, kArena);
}

void Memory::protect(const Buffer& buffer, int protection) const {
  const auto size = static_cast<size_t>(buffer.end - buffer.begin);
  if (mprotect(buffer.begin, size, protection) != 0) throw std::bad_alloc();
}

void* Memory::allocate(size_t bytes) {
  if (bytes == 0) return nullptr;  // as the runtime does
  const auto available = static_cast<size_t>(std::max<int64_t>(free_, 0));
  if (bytes > available) {
    throw Fault{Status::OutOfMemory,
                fmt::format("{} bytes were asked for, {} are free", bytes, available)};
  }
  const size_t held = round_up(bytes, kAlignment);
  const size_t pages = round_up(kAlignment + held, kPage);
  if (pages + kPage > static_cast<size_t>(arena_ + kArena - cursor_)) {
    throw Fault{Status::OutOfMemory, "the emulated device has no addresses left"};
  }
  const Buffer buffer{cursor_, cursor_ + pages - held, cursor_ + pages, bytes};
  cursor_ = buffer.end + kPage;  // an unmapped page behind each
  protect(buffer, PROT_READ | PROT_WRITE);
  std::memset(buffer.begin, kSentinel, pages);
  std::memset(buffer.data, kFresh, bytes);
  poison(buffer.begin, pages - held);
  poison(buffer.data + bytes, held - bytes);
  if (windows_ == 0) protect(buffer, PROT_NONE);
  live_.emplace(buffer.begin, buffer);
  free_ -= static_cast<int64_t>(bytes);
  return buffer.data;
}

void Memory::release(void* data) {
  const Buffer* found = find(live_, data);
  if (found == nullptr || found->data != data) {
    throw Fault{Status::InvalidValue, fmt::format("to be freed: {}", describe(data))};
  }
  const Buffer buffer = *found;
  const auto size = static_cast<size_t>(buffer.end - buffer.begin);
  unpoison(buffer.begin, size);
  // Mapped anew: its pages go back, and the kernel joins neighbours that are the same.
  if (mmap(buffer.begin, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
           -1, 0) == MAP_FAILED) {
    throw std::bad_alloc();
  }
  free_ += static_cast<int64_t>(buffer.bytes);
  live_.erase(buffer.begin);
  freed_.emplace(buffer.begin, buffer);
}

bool Memory::owns(const void* data) const {
  const auto* p = static_cast<const std::byte*>(data);
  return p >= arena_ && p < arena_ + kArena;
}

const Memory::Buffer* Memory::find(const Buffers& buffers, const void* address) {
  const auto* p = static_cast<const std::byte*>(address);
  const auto next = buffers.upper_bound(p);
  if (next == buffers.begin()) return nullptr;
  const Buffer& buffer = std::prev(next)->second;
  return p < buffer.end + kPage ? &buffer : nullptr;
}

void Memory::require(const void* data, size_t bytes, const char* what) const {
  const auto* p = static_cast<const std::byte*>(data);
  const Buffer* buffer = find(live_, data);
  if (buffer == nullptr || p < buffer->data || p + bytes > buffer->data + buffer->bytes) {
    throw Fault{Status::InvalidValue, fmt::format("{}, {} bytes: {}", what, bytes, describe(data))};
  }
}

std::string Memory::describe(const void* address) const {
  if (!owns(address)) return "host memory";
  const Buffer* live = find(live_, address);
  const Buffer* buffer = live != nullptr ? live : find(freed_, address);
  if (buffer == nullptr) return fmt::format("a {} that was never allocated", kind_);
  return fmt::format("byte {} of a {}{} of {} bytes",
                     static_cast<const std::byte*>(address) - buffer->data,
                     live != nullptr ? "" : "freed ", kind_, buffer->bytes);
}

std::string Memory::damage() const {
  for (const auto& [begin, buffer] : live_) {
    const bool before = !all_sentinels(begin, buffer.data);
    if (before || !all_sentinels(buffer.data + buffer.bytes, buffer.end)) {
      return fmt::format("wrote {} a {} of {} bytes", before ? "before" : "behind", kind_,
                         buffer.bytes);
    }
  }
  return "";
}

void Memory::open() {
  if (windows_++ > 0) return;
  for (const auto& [begin, buffer] : live_) protect(buffer, PROT_READ | PROT_WRITE);
}

void Memory::close() {
  if (--windows_ > 0) return;
  for (const auto& [begin, buffer] : live_) protect(buffer, PROT_NONE);
}

}  // namespace basin::emulated
