// The model by which a convolution's tile and parts are chosen.
#include "kernels/conv_tile.h"

#include <algorithm>
#include <limits>

namespace basin {
namespace {

constexpr int64_t kMultiprocessors = 132;

// Cycles of an H100 for the product, and for the sum of its parts.
double cycles_of(const TileProduct& p, const TileExtents& tile, int64_t splits) {
  constexpr double kLanes = 128, kBytesPerCycle = 1500, kStart = 2000, kLaunch = 4000;
  constexpr int64_t kBusyWarps = 10;  // that fill a multiprocessor
  const int64_t blocks =
      ceil_div<int64_t>(p.m, tile.m) * ceil_div<int64_t>(p.n, tile.n) * p.problems * splits;
  const int64_t share = ceil_div(blocks, kMultiprocessors);  // of the one that has most to do
  const int64_t warps = std::min<int64_t>(share, tile.resident) * tile.threads / 32;
  const double busy = std::min(1.0, static_cast<double>(warps) / kBusyWarps);
  const auto depth = static_cast<double>(round_up(ceil_div(p.k, splits), int64_t{kTileDepth}));
  const double products = static_cast<double>(share * tile.m * tile.n) * depth;
  const double rounds = static_cast<double>(ceil_div<int64_t>(share, tile.resident));
  const double sum =
      splits == 1 ? 0
                  : kLaunch + static_cast<double>((2 * splits + 1) * p.size) * 4 / kBytesPerCycle;
  return products / (kLanes * tile.efficiency * busy) + rounds * kStart + sum;
}

}  // namespace

TileProduct forward_product(const ConvShape& s) {
  return {s.n * s.h_out() * s.w_out(), s.c_out,
          s.kernel * s.kernel * round_up<int64_t>(s.c_in, kTileDepth), 1, s.output_size()};
}
TileProduct data_product(const ConvShape& s) {
  const int64_t problems = s.stride * s.stride;
  return {s.n * ceil_div(s.h, s.stride) * ceil_div(s.w, s.stride), s.c_in,
          ceil_div(s.kernel * s.kernel * round_up<int64_t>(s.c_out, kTileDepth), problems),
          problems, s.input_size()};
}
TileProduct filter_product(const ConvShape& s) {
  return {s.kernel * s.kernel * s.c_in, s.c_out, s.n * s.h_out() * s.w_out(), 1, s.weight_size()};
}

bool is_narrow(const ConvShape& s) {
  return s.c_in % 4 != 0 || s.c_out % 4 != 0;
}

bool tiles_fit(const ConvShape& s) {
  constexpr int64_t kMost = int64_t{1} << 30;
  return std::max({s.input_size(), s.weight_size(), s.output_size()}) <= kMost;
}

ConvTiling choose_tiling(const TileProduct& product, bool narrow) {
  constexpr int kMostSplits = 512;
  constexpr int64_t kLeastDepth = 32;
  ConvTiling best{};
  double least = std::numeric_limits<double>::infinity();
  for (size_t tile = 0; tile < kConvTiles.size(); ++tile) {
    if (narrow && !kConvTiles[tile].narrow) continue;
    for (int splits = 1; splits <= kMostSplits; ++splits) {
      if (splits > 1 && product.k < splits * kLeastDepth) break;
      const double cycles = cycles_of(product, kConvTiles[tile], splits);
      if (cycles >= least) continue;
      least = cycles;
      best = {tile, splits};
    }
  }
  return best;
}

}  // namespace basin
