// The machine's vector width, chosen when the program runs: one binary, no illegal instruction
// on an older processor. A loop is handed over as a callable; it is compiled once for each level
// (`flatten` inlines the body, so its arithmetic is compiled for that level too).
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "kernels/bfloat16.h"

namespace basin::cpu {

enum class Isa { Base, Avx2, Avx512 };

// N values of T that the compiler keeps in a register; loads and stores need no alignment.
template <class T, int N>
using Vector [[gnu::vector_size(N * sizeof(T)), gnu::aligned(sizeof(T)), gnu::may_alias]] = T;

// The best level that this processor has, or the one that BASIN_ISA=base|avx2|avx512 caps it to.
Isa isa();
const char* isa_name(Isa level);

template <class Body, class... Args>
void run_base(const Body& body, Args... args) {
  body(args...);
}
#if defined(__x86_64__)
template <class Body, class... Args>
__attribute__((target("arch=x86-64-v3"), flatten)) void run_avx2(const Body& body, Args... args) {
  body(args...);
}
template <class Body, class... Args>
__attribute__((target("arch=x86-64-v4"), flatten)) void run_avx512(const Body& body, Args... args) {
  body(args...);
}
#define BASIN_AVX512_BF16 __attribute__((target("arch=x86-64-v4,avx512bf16")))
template <class Body>
BASIN_AVX512_BF16 __attribute__((flatten)) void run_avx512_bf16(const Body& body) {
  body();
}
#endif

// Whether products of bfloat16 are instructions of this processor: avx512_bf16, on some beside AMX.
// Never where BASIN_ISA caps the level below AVX-512.
bool has_bfloat16();
// "AVX-512, avx512_bf16 and AMX": the level, and what there is for bfloat16.
std::string instruction_set();
// Throws Error(Usage) naming `where` unless has_bfloat16(): what is emulated is slow.
void require_bfloat16(const std::string& where);

// Runs body(args...) compiled for the level `level`.
template <class Body, class... Args>
void vectorised_at(Isa level, const Body& body, Args... args) {
#if defined(__x86_64__)
  if (level == Isa::Avx512) return run_avx512(body, args...);
  if (level == Isa::Avx2) return run_avx2(body, args...);
#endif
  run_base(body, args...);
}

template <class Body, class... Args>
void vectorised(const Body& body, Args... args) {
  vectorised_at(isa(), body, args...);
}

// A body that reads and writes arrays of T: for bfloat16 compiled only for the processors that have
// it (require_bfloat16 first), so that it can use their instructions (lanes.h).
template <class T, class Body>
void vectorised_for(const Body& body) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<T, bfloat16>) return run_avx512_bf16(body);
#endif
  vectorised(body);
}

// body(W) for a body that is written in vectors of W floats, W being an integral_constant.
template <class Body>
void vectorised_by_width(const Body& body) {
  switch (isa()) {
#if defined(__x86_64__)
    case Isa::Avx512:
      return run_avx512(body, std::integral_constant<int, 16>{});
    case Isa::Avx2:
      return run_avx2(body, std::integral_constant<int, 8>{});
#endif
    default:
      return run_base(body, std::integral_constant<int, 4>{});
  }
}

}  // namespace basin::cpu
