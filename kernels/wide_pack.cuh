// W values of T in a thread's registers, moved by one access; arithmetic reads and writes them as
// Wide<T>. Two bfloat16 share a register, and are rounded by one instruction where there is one.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/platform.h"

namespace basin {

template <class T, int W>
struct WidePack {
  Pack<T, W> pack;

  // From and to an array that lies on the access's size.
  BASIN_DEVICE static WidePack load(const T* from) {
    return {*reinterpret_cast<const Pack<T, W>*>(from)};
  }
  BASIN_DEVICE void store(T* to) const { *reinterpret_cast<Pack<T, W>*>(to) = pack; }

  BASIN_DEVICE Wide<T> operator[](int j) const { return pack.value[j]; }
  // The values, rounded.
  BASIN_DEVICE static WidePack of(const Wide<T> (&values)[W]) {
    WidePack to;
    BASIN_UNROLL
    for (int j = 0; j < W; ++j) to.pack.value[j] = values[j];
    return to;
  }
};

template <int W>
requires(W % 2 == 0) struct WidePack<bfloat16, W> {
  using Memory = Pack<bfloat16, W>;
  Pack<uint32_t, W / 2> pairs;  // the first of two in the lower half

  BASIN_DEVICE static WidePack load(const bfloat16* from) {
    return __builtin_bit_cast(WidePack, *reinterpret_cast<const Memory*>(from));
  }
  BASIN_DEVICE void store(bfloat16* to) const {
    *reinterpret_cast<Memory*>(to) = __builtin_bit_cast(Memory, *this);
  }

  BASIN_DEVICE float operator[](int j) const {
    const uint32_t pair = pairs.value[j / 2];
    return __builtin_bit_cast(float, j % 2 == 0 ? pair << 16 : pair & 0xffff0000U);
  }
  BASIN_DEVICE static WidePack of(const float (&values)[W]) {
    WidePack to;
    BASIN_UNROLL
    for (int j = 0; j < W; j += 2) {
      to.pairs.value[j / 2] = bfloat16_pair(values[j], values[j + 1]);
    }
    return to;
  }
};

}  // namespace basin
