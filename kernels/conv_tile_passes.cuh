// The three passes of a float32 convolution by tiles, and the sum of parts where k was split. A
// block has one tile of one problem, and one part of k; grids are made by conv_tile.cu.
#pragma once

#include <cstdint>

#include "kernels/conv_tile_operands.cuh"

namespace basin {

// Blocks: tiles_m x tiles_n x problems x splits.
struct TileGrid {
  int tiles_m, tiles_n, problems, splits;
};

// `Width`: 4 where both numbers of channels are multiples of 4, so that all accesses are packed;
// otherwise 1, and the channels that are not summed over are moved as they allow.
template <int Width>
BASIN_HD Access channel_access(int64_t channels) {
  return Width == 4 || channels % 4 == 0 ? Access::Packed : Access::Single;
}

template <class Tile, int Width>
struct ConvForwardTile {
  using Shared = typename Tile::Shared;
  static constexpr int kMaxThreads = Tile::kThreads, kResidentBlocks = Tile::kResidentBlocks;

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, ConvTaps taps, int channels,
                               TileGrid grid, const float* x, const float* w, TileResult y) const {
    const TileRank rank(static_cast<int>(block.block_rank()), grid.tiles_m, grid.tiles_n, 1);
    const int thread = block.thread_rank();
    const Tile tile(thread);
    const int m = rank.m * Tile::kM, n = rank.n * Tile::kN;
    const TilePart part(taps.slices(), rank.split, grid.splits);
    const Access read = channel_access<Width>(taps.channels);
    typename Tile::Sums sums = {};
    TapsOfPixels<Tile::kM, Tile::kThreads> a(thread, taps, x, m, read);
    WeightsForward<Tile::kN, Tile::kThreads> b(thread, taps, channels, w, n, read);
    tile.multiply(block, shared, part.slices, a, b, TapWalk::at(taps, part.begin), taps, sums);

    const Access write = channel_access<Width>(channels);
    BASIN_UNROLL
    for (int i = 0; i < Tile::kTm; ++i) {
      const int pixel = m + tile.row(i);
      if (pixel >= taps.pixels) continue;
      BASIN_UNROLL
      for (int j = 0; j < Tile::kTn; j += 4) {
        const int channel = n + tile.column(j);
        y.store(y.part(rank.split) + int64_t{pixel} * channels + channel, channels - channel, write,
                [&](int k) { return sums[i][j + k]; });
      }
    }
  }
};

template <class Tile, int Width>
struct ConvDataTile {
  using Shared = typename Tile::Shared;
  static constexpr int kMaxThreads = Tile::kThreads, kResidentBlocks = Tile::kResidentBlocks;

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, ConvShape s, TileGrid grid,
                               const float* dy, const float* w, TileResult dx) const {
    const TileRank rank(static_cast<int>(block.block_rank()), grid.tiles_m, grid.tiles_n,
                        grid.problems);
    const int thread = block.thread_rank();
    const Tile tile(thread);
    const ConvParity parity = ConvParity::of(s, rank.problem);
    const ConvTaps taps = parity.taps(s);
    const int m = rank.m * Tile::kM, n = rank.n * Tile::kN;
    if (m >= taps.pixels) return;  // it has fewer than another parity
    const TilePart part(taps.slices(), rank.split, grid.splits);
    const Access access = channel_access<Width>(s.c_in);
    typename Tile::Sums sums = {};
    if (part.slices > 0) {  // there may be no tap
      TapsOfPixels<Tile::kM, Tile::kThreads> a(thread, taps, dy, m,
                                               channel_access<Width>(taps.channels));
      WeightsBackward<Tile::kN, Tile::kThreads> b(thread, s, parity, w, n, access);
      tile.multiply(block, shared, part.slices, a, b, TapWalk::at(taps, part.begin), taps, sums);
    }

    BASIN_UNROLL
    for (int i = 0; i < Tile::kTm; ++i) {
      const int pixel = m + tile.row(i);
      if (pixel >= taps.pixels) continue;
      const Digits at = Digits::of(pixel, taps.pixel_radix());
      const int64_t row = at.high * s.h + at.mid * s.stride + parity.first_y;
      float* to = dx.part(rank.split) + (row * s.w + at.low * s.stride + parity.first_x) * s.c_in;
      BASIN_UNROLL
      for (int j = 0; j < Tile::kTn; j += 4) {
        const int channel = n + tile.column(j);
        dx.store(to + channel, s.c_in - channel, access, [&](int k) { return sums[i][j + k]; });
      }
    }
  }
};

template <class Tile, int Width>
struct ConvFilterTile {
  using Shared = typename Tile::Shared;
  static constexpr int kMaxThreads = Tile::kThreads, kResidentBlocks = Tile::kResidentBlocks;

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, ConvTaps taps, int channels,
                               TileGrid grid, const float* x, const float* dy,
                               TileResult dw) const {
    const TileRank rank(static_cast<int>(block.block_rank()), grid.tiles_m, grid.tiles_n, 1);
    const int thread = block.thread_rank();
    const Tile tile(thread);
    const int m = rank.m * Tile::kM, n = rank.n * Tile::kN;
    const TilePart part(ceil_div(taps.pixels, kTileDepth), rank.split, grid.splits);
    const PixelWalk first{part.begin * kTileDepth};
    typename Tile::Sums sums = {};
    PixelsOfTaps<Width, Tile::kM, Tile::kThreads> a(thread, taps, x, m, first.pixel);
    PixelsOfGradient<Tile::kN, Tile::kThreads> b(thread, taps.pixels, channels, dy, n,
                                                 channel_access<Width>(channels));
    tile.multiply(block, shared, part.slices, a, b, first, taps, sums);

    const Access access = channel_access<Width>(taps.channels);
    BASIN_UNROLL
    for (int j = 0; j < Tile::kTn; ++j) {
      const int channel = n + tile.column(j);
      if (channel >= channels) continue;
      BASIN_UNROLL
      for (int i = 0; i < Tile::kTm; i += 4) {
        const int weight = m + tile.row(i);
        dw.store(dw.part(rank.split) + int64_t{channel} * taps.weights() + weight,
                 taps.weights() - weight, access, [&](int k) { return sums[i + k][j]; });
      }
    }
  }
};

// The results of several groups (GroupsOf, groups_of.cuh).
struct GroupsResult {
  TileResult first;
  int64_t step;
  BASIN_DEVICE TileResult of_group(int64_t group) const {
    return {first.at + group * step, first.part_size, first.mode};
  }
};

// out [size] (=, +=) the sum of its parts, in float64. `Teams` threads share an element: each sums
// every Teams-th part, and then their sums are added in order.
template <int Teams, int Blocks = 4>
struct TilePartsSum {
  static constexpr int kMaxThreads = 256, kResidentBlocks = Blocks;
  static constexpr int kAcross = kMaxThreads / Teams;  // packs of a block
  struct Shared {
    double sum[Teams][kAcross][4];
  };

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t size, int64_t splits,
                               const float* parts, int64_t part_size, TileResult out) const {
    const int across = block.thread_rank() % kAcross, team = block.thread_rank() / kAcross;
    const int64_t first = (block.block_rank() * kAcross + across) * 4;
    double sum[4] = {};
    if (first < size) {
      for (int64_t part = team; part < splits; part += Teams) {  // they end on a whole pack
        const auto pack = load_pack(parts + part * part_size + first, Access::Packed);
        BASIN_UNROLL
        for (int j = 0; j < 4; ++j) sum[j] += pack.value[j];
      }
    }
    if constexpr (Teams > 1) {
      BASIN_UNROLL
      for (int j = 0; j < 4; ++j) shared.sum[team][across][j] = sum[j];
      block.sync();
      if (team != 0) return;
      for (int other = 1; other < Teams; ++other) {
        BASIN_UNROLL
        for (int j = 0; j < 4; ++j) sum[j] += shared.sum[other][across][j];
      }
    }
    out.store(out.at + first, size - first, size % 4 == 0 ? Access::Packed : Access::Single,
              [&](int j) { return static_cast<float>(sum[j]); });
  }
};

}  // namespace basin
