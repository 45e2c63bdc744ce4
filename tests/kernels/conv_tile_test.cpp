// The bodies of convolution by tiles, as they run on a device, with k whole and in parts; and the
// choice of a tile.
#include "kernels/conv_tile.h"

#include <gtest/gtest.h>

#include "kernels/conv_tile_passes.cuh"
#include "tests/support/block.h"
#include "tests/support/conv_case.h"

namespace basin::test {
namespace {

template <class Tile, int Width>
class TileCheck {
 public:
  TileCheck(const ConvShape& shape, int splits)
      : s_(shape), case_(shape), splits_(splits), taps_(ConvTaps::forward(shape)) {}

  void passes() const {
    SCOPED_TRACE(to_string(s_));
    const auto c_out = static_cast<int>(s_.c_out);
    const double taps = s_.kernel * s_.kernel, positions = s_.n * s_.h_out() * s_.w_out();
    const Guarded<float> x(case_.x), dy(case_.dy), w(case_.w);
    const auto check = [&](const TileProduct& product, const Expected& expected, double terms,
                           const auto& run) {
      Guarded<float> result(product.size);
      for (const int times : {1, 2}) {
        const Write mode = times == 1 ? Write::Overwrite : Write::Accumulate;
        in_parts(product, result, mode, run);
        EXPECT_TRUE(agrees<float>(result.span(), expected, times, terms));
      }
      EXPECT_TRUE(result.intact());
    };
    check(forward_product(s_), case_.y, taps * s_.c_in, [&](int64_t blocks, auto grid, auto to) {
      run_blocks<ConvForwardTile<Tile, Width>>(blocks, Tile::kThreads, taps_, c_out, grid, x.data(),
                                               w.data(), to);
    });
    check(data_product(s_), case_.dx, taps * s_.c_out, [&](int64_t blocks, auto grid, auto to) {
      run_blocks<ConvDataTile<Tile, Width>>(blocks, Tile::kThreads, s_, grid, dy.data(), w.data(),
                                            to);
    });
    check(filter_product(s_), case_.dw, positions, [&](int64_t blocks, auto grid, auto to) {
      run_blocks<ConvFilterTile<Tile, Width>>(blocks, Tile::kThreads, taps_, c_out, grid, x.data(),
                                              dy.data(), to);
    });
  }

 private:
  template <class Run>
  void in_parts(const TileProduct& p, Guarded<float>& to, Write mode, const Run& run) const {
    const TileGrid grid{static_cast<int>(ceil_div<int64_t>(p.m, Tile::kM)),
                        static_cast<int>(ceil_div<int64_t>(p.n, Tile::kN)),
                        static_cast<int>(p.problems), splits_};
    const int64_t blocks = int64_t{grid.tiles_m} * grid.tiles_n * grid.problems * splits_;
    const TileResult result{to.data(), 0, mode};
    if (splits_ == 1) return run(blocks, grid, result);
    const int64_t part_size = round_up<int64_t>(p.size, 4);
    Guarded<float> parts(part_size * splits_);
    run(blocks, grid, TileResult{parts.data(), part_size, Write::Overwrite});
    using Sum = TilePartsSum<8>;
    run_blocks<Sum>(ceil_div<int64_t>(part_size / 4, Sum::kAcross), Sum::kMaxThreads, p.size,
                    int64_t{splits_}, static_cast<const float*>(parts.data()), part_size, result);
    EXPECT_TRUE(parts.intact());
  }

  ConvShape s_;
  ConvCase<float> case_;
  int splits_;
  ConvTaps taps_;
};

TEST(ConvTiles, DoWhatTheLoopsDo) {
  TileCheck<ConvTile<128, 64, 8, 8>, 4>({2, 9, 8, 8, 68, 3, 1, 1}, 1).passes();
  TileCheck<ConvTile<64, 64, 8, 8>, 4>({1, 8, 9, 12, 20, 3, 2, 1}, 3).passes();
  TileCheck<ConvTile<64, 64, 8, 8>, 1>({2, 5, 7, 3, 66, 3, 1, 1}, 1).passes();
  TileCheck<ConvTile<64, 32, 8, 4>, 4>({2, 7, 6, 36, 4, 1, 2, 0}, 2).passes();
  TileCheck<ConvTile<64, 16, 4, 4>, 4>({3, 6, 5, 16, 16, 2, 3, 2}, 11).passes();
  TileCheck<ConvTile<64, 16, 4, 4>, 1>({1, 9, 7, 5, 17, 5, 3, 2}, 2).passes();
}

// Products of a residual network at a batch of 128.
TEST(ConvTiles, AreChosenByTheSizes) {
  const auto chosen = [](const TileProduct& product, bool narrow = false) {
    const ConvTiling tiling = choose_tiling(product, narrow);
    return std::pair(kConvTiles[tiling.tile].n, tiling.splits);
  };
  const ConvShape first = {128, 32, 32, 64, 64, 3, 1, 1}, last = {128, 4, 4, 512, 512, 3, 1, 1};
  EXPECT_EQ(chosen(forward_product(first)), std::pair(64, 1));
  EXPECT_GT(chosen(forward_product(last)).second, 1);   // too few pixels to fill the device
  EXPECT_GT(chosen(filter_product(first)).second, 20);  // as for weights
  const ConvShape thin = {128, 32, 32, 16, 16, 3, 1, 1}, stem = {128, 32, 32, 3, 16, 3, 1, 1};
  EXPECT_EQ(chosen(forward_product(thin)), std::pair(16, 1));
  EXPECT_EQ(chosen(forward_product(stem), true), std::pair(16, 1));
  // A part has work to do.
  for (const int64_t k : {1, 8, 63, 64, 1000}) {
    EXPECT_LE(chosen({64, 64, k, 1, 64 * 64}).second, std::max<int64_t>(1, k / 32));
  }
}

}  // namespace
}  // namespace basin::test
