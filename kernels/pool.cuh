// Average pooling as bodies. A thread takes kWidth neighbouring channels of one position: 16 bytes
// of them, or one channel where there is a rest or an array is not aligned.
#pragma once

#include <cstdint>

#include "kernels/block.h"
#include "kernels/map.cuh"
#include "kernels/pool.h"

namespace basin {

// kWidth channels of a position, by the widest accesses.
template <int kWidth, class T>
struct Channels {
  static constexpr int kPart = kWidth < kPackSize<T> ? kWidth : kPackSize<T>;
  using Part = Pack<T, kPart>;

  BASIN_DEVICE static void load(const T* x, Wide<T> (&to)[kWidth]) {
    for (int p = 0; p < kWidth / kPart; ++p) {
      const Part part = reinterpret_cast<const Part*>(x)[p];
      for (int j = 0; j < kPart; ++j) to[p * kPart + j] = static_cast<Wide<T>>(part.value[j]);
    }
  }
  BASIN_DEVICE static void store(T* y, const Wide<T> (&from)[kWidth]) {
    for (int p = 0; p < kWidth / kPart; ++p) {
      Part part;
      for (int j = 0; j < kPart; ++j) part.value[j] = static_cast<T>(from[p * kPart + j]);
      reinterpret_cast<Part*>(y)[p] = part;
    }
  }
};

// to += scale * x, over kWidth channels.
template <int kWidth, class T>
BASIN_DEVICE void add_scaled(Wide<T> (&to)[kWidth], const T* x, Wide<T> scale) {
  Wide<T> value[kWidth];
  Channels<kWidth, T>::load(x, value);
  for (int j = 0; j < kWidth; ++j) to[j] += scale * value[j];
}

// y: [n, h_out, w_out, c], a thread for each group of channels of it.
template <int kWidth, class T>
struct AveragePoolForward {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, PoolShape s, const T* x, T* y) const {
    const int64_t groups = s.c / kWidth, h_out = s.h_out(), w_out = s.w_out();
    const T scale = T(1) / static_cast<T>(s.window * s.window);
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    for (int64_t at = rank; at < s.n * h_out * w_out * groups; at += stride) {
      const int64_t position = at / groups, q = position % w_out, row = position / w_out;
      const int64_t r = row % h_out, image = row / h_out;
      const T* first = x + ((image * s.h + r * s.stride) * s.w + q * s.stride) * s.c +
                       at % groups * kWidth;  // the window's
      T total[kWidth] = {};
      for (int64_t a = 0; a < s.window; ++a) {
        for (int64_t b = 0; b < s.window; ++b)
          add_scaled(total, first + (a * s.w + b) * s.c, scale);
      }
      Channels<kWidth, T>::store(y + at * kWidth, total);
    }
  }
};

// dx: [n, h, w, c], a thread for each group of channels of it, which gathers from the windows over
// its position, in their order.
template <int kWidth, class T>
struct AveragePoolBackward {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, PoolShape s, const T* dy, T* dx,
                               Write mode) const {
    const int64_t groups = s.c / kWidth, h_out = s.h_out(), w_out = s.w_out();
    const T scale = T(1) / static_cast<T>(s.window * s.window);
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    for (int64_t at = rank; at < s.n * s.h * s.w * groups; at += stride) {
      const int64_t position = at / groups, column = position % s.w, row = position / s.w;
      const int64_t image = row / s.h;
      const Over rows = windows_over(s, row % s.h, h_out), columns = windows_over(s, column, w_out);
      T total[kWidth] = {};
      if (mode == Write::Accumulate) Channels<kWidth, T>::load(dx + at * kWidth, total);
      for (int64_t r = rows.begin; r < rows.end; ++r) {
        for (int64_t q = columns.begin; q < columns.end; ++q) {
          add_scaled(total, dy + ((image * h_out + r) * w_out + q) * s.c + at % groups * kWidth,
                     scale);
        }
      }
      Channels<kWidth, T>::store(dx + at * kWidth, total);
    }
  }

 private:
  // The windows [begin, end) of `count` along one side that lie over place `at` of it.
  struct Over {
    int64_t begin, end;
  };
  BASIN_DEVICE static Over windows_over(const PoolShape& s, int64_t at, int64_t count) {
    const int64_t begin = at < s.window ? 0 : (at - s.window) / s.stride + 1;
    const int64_t end = at / s.stride + 1;
    return {begin, end < count ? end : count};
  }
};

// y: [n, c] from x: [n, positions, c].  A block of threads takes a tile of an image's channels, a
// warp (a lane) its positions in turn; the lanes' sums are joined in their order, which depends on
// the number of threads in a block alone.
template <int kWidth, class T>
struct GlobalPoolForward {
  static constexpr int kTile = kWarpSize, kMaxLanes = 8;
  static constexpr int kThreads = kTile * kMaxLanes;  // at most
  struct Shared {
    Wide<T> partial[kMaxLanes][kTile][kWidth];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t n, int64_t positions,
                               int64_t c, const T* x, Wide<T>* y) const {
    const int across = block.num_threads() < kTile ? block.num_threads() : kTile;
    const int lanes = block.num_threads() / across;
    const int lane = block.thread_rank() / across, first = block.thread_rank() % across;
    const int64_t groups = c / kWidth, tiles = ceil_div<int64_t>(groups, kTile);
    const Wide<T> scale = Wide<T>(1) / static_cast<Wide<T>>(positions);
    for (int64_t task = block.block_rank(); task < n * tiles; task += block.num_blocks()) {
      const int64_t image = task / tiles, begin = task % tiles * kTile;
      for (int g = first; g < kTile && begin + g < groups; g += across) {
        const T* from = x + image * positions * c + (begin + g) * kWidth;
        Wide<T> total[kWidth] = {};
        for (int64_t p = lane; p < positions; p += lanes) add_scaled(total, from + p * c, scale);
        for (int j = 0; j < kWidth; ++j) shared.partial[lane][g][j] = total[j];
      }
      block.sync();
      if (lane == 0) {
        for (int g = first; g < kTile && begin + g < groups; g += across) {
          Wide<T> total[kWidth] = {};
          for (int k = 0; k < lanes; ++k) {
            for (int j = 0; j < kWidth; ++j) total[j] += shared.partial[k][g][j];
          }
          Channels<kWidth, Wide<T>>::store(y + image * c + (begin + g) * kWidth, total);
        }
      }
      block.sync();
    }
  }
};

// dx: [n, positions, c] from dy: [n, c], a thread for each group of channels of dx.
template <int kWidth, class T>
struct GlobalPoolBackward {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, int64_t n, int64_t positions, int64_t c,
                               const Wide<T>* dy, T* dx, Write mode) const {
    const int64_t groups = c / kWidth;
    const Wide<T> scale = Wide<T>(1) / static_cast<Wide<T>>(positions);
    const int64_t stride = block.num_blocks() * block.num_threads();
    const int64_t rank = block.block_rank() * block.num_threads() + block.thread_rank();
    for (int64_t at = rank; at < n * positions * groups; at += stride) {
      const int64_t image = at / groups / positions;
      Wide<T> total[kWidth] = {};
      if (mode == Write::Accumulate) Channels<kWidth, T>::load(dx + at * kWidth, total);
      add_scaled(total, dy + image * c + at % groups * kWidth, scale);
      Channels<kWidth, T>::store(dx + at * kWidth, total);
    }
  }
};

}  // namespace basin
