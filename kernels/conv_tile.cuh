// float32 convolution as a matrix product on the multiply-add units, tile by tile: C [m, n] = the
// sum over k of A [k, m] B [k, n]. No matrix is made: operands (conv_tile_operands.cuh) read the
// images and w where they lie.
//
//   pass                  m                   n      k
//   y = x * w             pixel of y          c_out  tap, c_in
//   dx, for each parity   pixel of dx         c_in   tap that meets it, c_out
//   dw                    tap, c_in           c_out  pixel of y
//
// A block makes a tile of kM x kN. Slices of kTileDepth steps of k lie in shared memory, [k][m] and
// [k][n], in two buffers: while one slice is multiplied, the next one's values are on their way
// into registers, and then are put into the other buffer, so that one barrier a slice suffices. A
// thread has kTm x kTn sums in registers, in groups of four rows by four columns: a step reads
// kTm / 4 + kTn / 4 packs for kTm * kTn products. Rows of shared memory are four values longer than
// need be: so four k of one row, which a thread puts below each other, lie on other banks than its
// neighbour's.
#pragma once

#include <cstdint>

#include "kernels/block.h"
#include "kernels/conv_tile.h"
#include "kernels/map.cuh"

namespace basin {

template <int Extent>
using TileSteps = float[kTileDepth][Extent + 4];

template <int M, int N, int Tm, int Tn>
struct ConvTile {
  static constexpr int kM = M, kN = N, kTm = Tm, kTn = Tn;
  static constexpr int kThreads = M / Tm * (N / Tn);
  // A thread has 168 registers where it has 64 sums, and otherwise 128.
  static constexpr int kResidentBlocks = (Tm * Tn == 64 ? 384 : 512) / kThreads;
  using Sums = float[Tm][Tn];

  struct Shared {
    alignas(16) TileSteps<M> a[2];
    alignas(16) TileSteps<N> b[2];
  };

  // A thread's i-th row and j-th column. A warp is 8 threads by 4, neighbours in n side by side: so
  // each quarter of it reads few packs, of different banks.
  explicit BASIN_DEVICE ConvTile(int thread) {
    const int lane = thread % kWarpSize, warp = thread / kWarpSize;
    constexpr int kWarpsAlongM = M / Tm / 8;
    m_ = (warp % kWarpsAlongM * 8 + lane / 2 % 8) * 4;
    n_ = (warp / kWarpsAlongM * 4 + lane / 16 * 2 + lane % 2) * 4;
  }
  BASIN_DEVICE int row(int i) const { return m_ + i / 4 * (M / (Tm / 4)) + i % 4; }
  BASIN_DEVICE int column(int j) const { return n_ + j / 4 * (N / (Tn / 4)) + j % 4; }

  // sums += the products of so many slices from k on. An operand's fetch(k) takes its values of a
  // slice into registers, its put() stores them; k.advance(bounds) goes on to the next.
  template <class Block, class A, class B, class Walk, class Bounds>
  BASIN_DEVICE void multiply(Block& block, Shared& shared, int slices, A& a, B& b, Walk k,
                             const Bounds& bounds, Sums& sums) const {
    if (slices == 0) return;
    a.fetch(k), b.fetch(k);
    a.put(shared.a[0]), b.put(shared.b[0]);
    block.sync();
    for (int t = 0; t < slices; ++t) {
      const bool more = t + 1 < slices;
      const int now = t % 2, next = 1 - now;
      if (more) k.advance(bounds), a.fetch(k), b.fetch(k);
      add_products(shared.a[now], shared.b[now], sums);
      if (more) a.put(shared.a[next]), b.put(shared.b[next]);
      block.sync();
    }
  }

 private:
  BASIN_DEVICE void add_products(const TileSteps<M>& a, const TileSteps<N>& b, Sums& sums) const {
    BASIN_UNROLL
    for (int k = 0; k < kTileDepth; ++k) {
      Pack16<float> left[Tm / 4], right[Tn / 4];
      BASIN_UNROLL
      for (int g = 0; g < Tm / 4; ++g) left[g] = load_pack(&a[k][row(4 * g)], Access::Packed);
      BASIN_UNROLL
      for (int g = 0; g < Tn / 4; ++g) right[g] = load_pack(&b[k][column(4 * g)], Access::Packed);
      BASIN_UNROLL
      for (int i = 0; i < Tm; ++i) {
        BASIN_UNROLL
        for (int j = 0; j < Tn; ++j) {
          sums[i][j] += left[i / 4].value[i % 4] * right[j / 4].value[j % 4];
        }
      }
    }
  }

  int m_, n_;
};

// The part of all slices that one of `splits` blocks of a tile sums.
struct TilePart {
  int begin, slices;
  BASIN_HD TilePart(int all, int split, int splits) {
    const int each = ceil_div(all, splits);
    begin = split * each < all ? split * each : all;
    slices = all - begin < each ? all - begin : each;
  }
};

// Where a result goes: to its array, or where k is split to a part of its own in scratch,
// `part_size` values behind the one before.
struct TileResult {
  float* at;
  int64_t part_size;
  Write mode;

  BASIN_DEVICE float* part(int64_t split) const { return at + split * part_size; }

  // to[j] (=, +=) value(j) for those of the 4 that the result has: where it has any, all by a
  // packed access.
  template <class Value>
  BASIN_DEVICE void store(float* to, int64_t has, Access access, const Value& value) const {
    if (has <= 0) return;
    if (access == Access::Packed) {
      Pack16<float> pack = {};
      if (mode == Write::Accumulate) pack = load_pack(to, Access::Packed);
      BASIN_UNROLL
      for (int j = 0; j < 4; ++j) pack.value[j] += value(j);
      return store_pack(to, pack, Access::Packed);
    }
    BASIN_UNROLL
    for (int j = 0; j < 4; ++j) {
      if (j < has) to[j] = mode == Write::Accumulate ? to[j] + value(j) : value(j);
    }
  }
};

// The block's tile and part: n is fastest, so that blocks that run at once read the same rows of
// the larger image.
struct TileRank {
  int n, m, problem, split;
  BASIN_HD TileRank(int block, int tiles_m, int tiles_n, int problems)
      : n(block % tiles_n),
        m(block / tiles_n % tiles_m),
        problem(block / tiles_n / tiles_m % problems),
        split(block / tiles_n / tiles_m / problems) {}
};

}  // namespace basin
