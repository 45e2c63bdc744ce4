// The launcher's other half: a launch becomes a closure on its stream. Included by launch.cuh.
#pragma once

#include <cstring>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/emulated/fibers.h"

namespace basin::emulated {

struct Kernel {
  std::string name;
  int64_t blocks;
  int threads;
  size_t shared_bytes, shared_alignment;
  // One thread's run; the second argument is its block's shared memory.
  std::function<void(FiberBlock&, void*)> body;
  // What may be a pointer in each of the parameters.
  std::vector<std::vector<const void*>> pointers;
};

// The words of a parameter that may be pointers: all that are aligned as one, without the padding.
template <class Param>
std::vector<const void*> pointer_words(Param param) {
  static_assert(std::is_trivially_copyable_v<Param>, "a kernel's parameters are copied as bytes");
  __builtin_clear_padding(&param);
  std::vector<const void*> words(sizeof(Param) / sizeof(void*));
  if (!words.empty()) std::memcpy(words.data(), &param, words.size() * sizeof(void*));
  return words;
}

// A kernel: one thread of Body.
template <class Body, class... Params>
void run_body(FiberBlock& block, typename Body::Shared& shared, Params... params) {
  Body{}(block, shared, params...);
}

// Puts the kernel on the stream of this handle. As with a launch on a GPU, what is wrong with it is
// left for the runtime's last error.
void launch(void* stream, Kernel kernel);

// Grid has `blocks` and `threads`.
template <class Body, class Grid, class... Params>
void start(void* stream, const char* name, const Grid& grid, Params... params) {
  using Shared = typename Body::Shared;
  static_assert(std::is_trivial_v<Shared>, "nothing constructs shared memory");
  launch(stream, {name,
                  grid.blocks,
                  grid.threads,
                  sizeof(Shared),
                  alignof(Shared),
                  [params...](FiberBlock& block, void* shared) {
                    run_body<Body, Params...>(block, *static_cast<Shared*>(shared), params...);
                  },
                  {pointer_words(params)...}});
}

}  // namespace basin::emulated
