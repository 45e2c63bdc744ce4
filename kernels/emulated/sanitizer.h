// What AddressSanitizer has to be told: redzones, and the stacks between which fibers switch. Does
// nothing in another build.
#pragma once

#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define BASIN_NO_ASAN __attribute__((no_sanitize("address"), noinline))
#else
#define BASIN_NO_ASAN
#endif

namespace basin::emulated {

inline void poison([[maybe_unused]] const void* data, [[maybe_unused]] size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(data, bytes);
#endif
}
inline void unpoison([[maybe_unused]] const void* data, [[maybe_unused]] size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(data, bytes);
#endif
}

// A stack that control leaves or comes to: its lowest address, its size, and what the sanitizer
// keeps of it meanwhile.
struct StackRange {
  const void* bottom = nullptr;
  size_t size = 0;
  void* kept = nullptr;
};

// Before the switch from one stack to another; `ends`: the one that is left will not be come back
// to.
inline void leave([[maybe_unused]] StackRange& from, [[maybe_unused]] const StackRange& to,
                  [[maybe_unused]] bool ends = false) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(ends ? nullptr : &from.kept, to.bottom, to.size);
#endif
}
// After it, on the stack that was come to; `from` becomes the range that was left.
inline void arrive([[maybe_unused]] const StackRange& here, [[maybe_unused]] StackRange& from) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(here.kept, &from.bottom, &from.size);
#endif
}

}  // namespace basin::emulated
