// The ascent of groups as a body.
#pragma once

#include <cstdint>

#include "kernels/map.cuh"
#include "kernels/sam_groups.h"

namespace basin {

// A block takes a stretch of a pack a thread, for kAscentGroups groups: w is read once, and each
// group's scale computed once. Packed: every group's arrays lie on 16 bytes.
template <class T>
struct SamAscentGroups {
  struct Shared {
    T scale[kAscentGroups];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, ParameterGroups groups, int64_t n,
                               Access access, const T* w, const T* g, SamAscent<T> ascent,
                               T* points) const {
    constexpr int64_t width = kPackSize<T>;
    const int64_t stretches = ceil_div(n, width * block.num_threads());
    const int64_t tasks = ceil_div<int64_t>(groups.count, kAscentGroups) * stretches;
    for (int64_t task = block.block_rank(); task < tasks; task += block.num_blocks()) {
      const int64_t first = task / stretches * kAscentGroups, left = groups.count - first;
      const int count = left < kAscentGroups ? static_cast<int>(left) : kAscentGroups;
      block.sync();  // the scales before may still be read
      for (int k = block.thread_rank(); k < count; k += block.num_threads()) {
        shared.scale[k] = ascent_of(ascent, first + k).load().s;
      }
      block.sync();
      const int64_t i = (task % stretches * block.num_threads() + block.thread_rank()) * width;
      const T *w_at = w + i, *g_at = g + first * groups.stride + i;
      T* to = points + first * groups.stride + i;
      if (n - i >= width) {
        make_pack(groups.stride, count, access, w_at, g_at, shared.scale, to);
      } else {
        for (int64_t j = 0; j < n - i; ++j) {
          for (int k = 0; k < count; ++k) {
            to[k * groups.stride + j] =
                moved(w_at[j], g_at[k * groups.stride + j], shared.scale[k]);
          }
        }
      }
    }
  }

 private:
  BASIN_DEVICE static T moved(T w, T g, T scale) {
    T out[1];
    typename SamAscent<T>::Bound{scale}({w, g}, out);
    return out[0];
  }

  // The loops have constant bounds, so that all gradients are on their way at once.
  BASIN_DEVICE static void make_pack(int64_t stride, int count, Access access, const T* w,
                                     const T* g, const T (&scale)[kAscentGroups], T* points) {
    const Pack16<T> from = load_pack(w, access);
    Pack16<T> gradient[kAscentGroups] = {};
    BASIN_UNROLL
    for (int k = 0; k < kAscentGroups; ++k) {
      if (k < count) gradient[k] = load_pack(g + k * stride, access);
    }
    BASIN_UNROLL
    for (int k = 0; k < kAscentGroups; ++k) {
      if (k >= count) continue;
      Pack16<T> to;
      for (int j = 0; j < kPackSize<T>; ++j) {
        to.value[j] = moved(from.value[j], gradient[k].value[j], scale[k]);
      }
      store_pack(points + k * stride, to, access);
    }
  }
};

}  // namespace basin
