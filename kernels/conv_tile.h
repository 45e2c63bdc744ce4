// Which tile makes a pass of a float32 convolution on CUDA, and into how many parts its sums are
// split: by a model of an H100's time, of constants and sizes alone, so that sums have one order on
// every device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/conv_backend.h"

namespace basin {

inline constexpr int kTileDepth = 8;  // steps of k in a slice

// A pass as products: `problems` of them, [m, k] by [k, n], m the greatest and k the mean of
// theirs, k with the zeros that fill up slices; `size` results in all.
struct TileProduct {
  int64_t m, n, k, problems, size;
};

TileProduct forward_product(const ConvShape& s);
TileProduct data_product(const ConvShape& s);
TileProduct filter_product(const ConvShape& s);

struct TileExtents {
  int m, n, threads, resident;  // blocks of so many threads, so many on a multiprocessor
  double efficiency;            // multiply-adds an instruction, by their count
  bool narrow;                  // whether there is one for channels that are no multiples of 4
};
inline constexpr std::array<TileExtents, 4> kConvTiles = {{{128, 64, 128, 3, 0.80, false},
                                                           {64, 64, 64, 6, 0.78, true},
                                                           {64, 32, 64, 8, 0.67, false},
                                                           {64, 16, 64, 8, 0.50, true}}};

struct ConvTiling {
  size_t tile;  // of kConvTiles
  int splits;
};
// Whether one of the numbers of channels is no multiple of 4.
bool is_narrow(const ConvShape& s);
// Tiles have indices of 32 bits, and compute some a little past an array's end.
bool tiles_fit(const ConvShape& s);
ConvTiling choose_tiling(const TileProduct& product, bool narrow);

namespace cuda {
// conv_tile.cu. Where `filter` is not null, it makes the weight gradient.
std::unique_ptr<ConvBackend<float>> make_tile_conv(const ConvShape& shape, ConvPasses passes,
                                                   std::unique_ptr<ConvBackend<float>> filter);
// conv_cudnn.cu. T: float, bfloat16.
template <class T>
std::unique_ptr<ConvBackend<T>> make_cudnn_conv(const Stream& stream, const ConvShape& shape,
                                                ConvPasses passes, ConvAlgorithm algorithm);
}  // namespace cuda

}  // namespace basin
