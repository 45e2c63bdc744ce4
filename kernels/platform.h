// What every kernel needs from the platform. Compiles under g++ and nvcc; the one header outside
// .cu files, besides launch.cuh, that may name a CUDA word.
#pragma once

#include <cstdint>

// BASIN_UNROLL stands before a loop with constant bounds that indexes a small array: unrolled, the
// array is in registers, and otherwise in memory. (g++ asks for a number. Only the emulated device
// runs bodies long enough for it to be worth its compilation.)
#ifdef __CUDACC__
#define BASIN_HD __host__ __device__ __forceinline__
#define BASIN_DEVICE __device__ __forceinline__
#define BASIN_UNROLL _Pragma("unroll")
#else
#define BASIN_HD inline
#define BASIN_DEVICE inline
#ifdef BASIN_EMULATED
#define BASIN_UNROLL _Pragma("GCC unroll 8")
#else
#define BASIN_UNROLL
#endif
#endif

namespace basin {

// Whether a kernel replaces what its output holds, or adds to it.
enum class Write { Overwrite, Accumulate };

// N neighbouring values moved as one access (16 bytes: the widest that a CUDA thread has).
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T value[N];
};
template <class T>
inline constexpr int kPackSize = 16 / sizeof(T);

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
// Two floats rounded to bfloat16 in one word, the first in its lower half: one instruction.
#define BASIN_ROUNDS_PAIRS
BASIN_DEVICE uint32_t rounded_pair(float first, float second) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
}
#endif

template <class Int>
BASIN_HD constexpr Int ceil_div(Int a, Int b) {
  return (a + b - 1) / b;
}
template <class Int>
BASIN_HD constexpr Int round_up(Int a, Int b) {
  return ceil_div(a, b) * b;
}

}  // namespace basin
