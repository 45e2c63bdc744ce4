// The counting operator new behind tests/support/allocations.h.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tests/support/allocations.h"

namespace {

std::atomic<int64_t> count{0};

// The shared object that an address lies in: this program's own or a library's.
const void* object_of(const void* address) {
  Dl_info info;
  return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

void note(const void* caller) {
  static const void* const own = object_of(reinterpret_cast<const void*>(&object_of));
  if (object_of(caller) == own) ++count;
}

void* allocate(std::size_t size) {
  if (void* data = std::malloc(size > 0 ? size : 1)) return data;
  throw std::bad_alloc();
}

}  // namespace

// Not inlined: g++ would see memory of a new freed by free().
[[gnu::noinline]] void* operator new(std::size_t size) {
  note(__builtin_return_address(0));
  return allocate(size);
}
[[gnu::noinline]] void* operator new[](std::size_t size) {
  note(__builtin_return_address(0));
  return allocate(size);
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  note(__builtin_return_address(0));
  return std::malloc(size > 0 ? size : 1);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  note(__builtin_return_address(0));
  return std::malloc(size > 0 ? size : 1);
}
[[gnu::noinline]] void operator delete(void* data) noexcept {
  std::free(data);
}
[[gnu::noinline]] void operator delete[](void* data) noexcept {
  std::free(data);
}
[[gnu::noinline]] void operator delete(void* data, std::size_t) noexcept {
  std::free(data);
}
[[gnu::noinline]] void operator delete[](void* data, std::size_t) noexcept {
  std::free(data);
}

namespace basin::test {

int64_t own_allocations() {
  return count;
}

TEST(Allocations, AreCounted) {
  const int64_t before = own_allocations();
  int* volatile one = new int(3);
  delete one;
  EXPECT_EQ(own_allocations(), before + 1);
}

}  // namespace basin::test
