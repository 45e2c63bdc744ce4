// What a kernel moves and computes, counted and not guessed: the constants stand in the functor
// or body, a test counts them, and benches, profiles and documents read them.
#pragma once

#include <cstdint>

namespace basin {

struct Cost {
  int64_t bytes_read = 0;
  int64_t bytes_written = 0;
  int64_t flops = 0;

  constexpr int64_t bytes() const { return bytes_read + bytes_written; }
  friend constexpr Cost operator+(Cost a, Cost b) {
    return {a.bytes_read + b.bytes_read, a.bytes_written + b.bytes_written, a.flops + b.flops};
  }
};

// Of one run of an element functor over n elements of T.
template <class Functor, class T>
constexpr Cost element_cost(int64_t n) {
  return {n * Functor::reads * static_cast<int64_t>(sizeof(T)),
          n * Functor::writes * static_cast<int64_t>(sizeof(T)), n * Functor::flops};
}

}  // namespace basin
