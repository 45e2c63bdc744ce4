// float32 convolution on CUDA by Basin's own tiles: each pass a kernel, and one more where its sums
// are split. w is used as it is, and results are added where they belong.
#include "kernels/conv_tile.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "kernels/conv_tile_passes.cuh"
#include "kernels/launch.cuh"

namespace basin::cuda {
namespace {

// That of each number of kConvTiles.
template <size_t I>
struct TileAt;
template <>
struct TileAt<0> : std::type_identity<ConvTile<128, 64, 8, 8>> {};
template <>
struct TileAt<1> : std::type_identity<ConvTile<64, 64, 8, 8>> {};
template <>
struct TileAt<2> : std::type_identity<ConvTile<64, 32, 8, 4>> {};
template <>
struct TileAt<3> : std::type_identity<ConvTile<64, 16, 4, 4>> {};

// run.operator()<Tile, Width>() for the tile of that number.
template <size_t I = 0, class Run>
void with_tile(size_t tile, bool narrow, const Run& run) {
  using Tile = typename TileAt<I>::type;
  constexpr TileExtents kTile = kConvTiles[I];
  static_assert(Tile::kM == kTile.m && Tile::kN == kTile.n && Tile::kThreads == kTile.threads &&
                Tile::kResidentBlocks == kTile.resident);
  if (tile != I) {
    if constexpr (I + 1 < kConvTiles.size()) with_tile<I + 1>(tile, narrow, run);
    return;
  }
  if constexpr (kTile.narrow) {
    if (narrow) return run.template operator()<Tile, 1>();
  }
  run.template operator()<Tile, 4>();
}

// A pass made ready: its grid and its scratch.
struct Pass {
  Pass(const TileProduct& product, bool is_narrow)
      : narrow(is_narrow),
        tiling(choose_tiling(product, narrow)),
        tile(kConvTiles[tiling.tile]),
        grid{static_cast<int>(ceil_div<int64_t>(product.m, tile.m)),
             static_cast<int>(ceil_div<int64_t>(product.n, tile.n)),
             static_cast<int>(product.problems), tiling.splits},
        size(product.size),
        part_size(round_up<int64_t>(size, 4)) {}

  int64_t scratch_bytes() const { return grid.splits == 1 ? 0 : grid.splits * part_size * 4; }
  std::string name() const {
    const std::string parts = grid.splits == 1 ? "" : fmt::format(" of {} parts", grid.splits);
    return fmt::format("tile {}x{}{}", tile.m, tile.n, parts);
  }

  // Body<Tile, Width>(operands..., result), and the sum of parts.
  template <template <class, int> class Body, class... Operands>
  void run(const Stream& stream, const char* name, float* to, Write mode, void* scratch,
           Operands... operands) const {
    const bool whole = grid.splits == 1;
    const TileResult result{to, 0, mode};
    const TileResult parts{static_cast<float*>(scratch), part_size, Write::Overwrite};
    const int64_t blocks = int64_t{grid.tiles_m} * grid.tiles_n * grid.problems * grid.splits;
    with_tile(tiling.tile, narrow, [&]<class Tile, int Width>() {
      launch<Body<Tile, Width>>(stream, name, {blocks, Tile::kThreads}, operands...,
                                whole ? result : parts);
    });
    if (whole) return;
    constexpr int kFew = 8;
    if (grid.splits <= kFew) {
      sum<1>(stream, parts.at, result);
    } else {
      sum<kFew>(stream, parts.at, result);
    }
  }

  template <int Teams>
  void sum(const Stream& stream, const float* parts, const TileResult& result) const {
    using Body = TilePartsSum<Teams>;
    const int64_t blocks = ceil_div<int64_t>(part_size / 4, Body::kAcross);
    launch<Body>(stream, "conv_tile_parts", {blocks, Body::kMaxThreads}, size, int64_t{grid.splits},
                 parts, part_size, result);
  }

  bool narrow;
  ConvTiling tiling;
  TileExtents tile;
  TileGrid grid;
  int64_t size, part_size;
};

bool is_narrow(const ConvShape& s) {
  return s.c_in % 4 != 0 || s.c_out % 4 != 0;
}

class TileConv final : public ConvBackend<float> {
 public:
  TileConv(const ConvShape& shape, ConvPasses passes, std::unique_ptr<ConvBackend<float>> filter)
      : shape_(shape),
        taps_(ConvTaps::forward(shape)),
        forward_(forward_product(shape), is_narrow(shape)),
        other_filter_(std::move(filter)) {
    if (passes == ConvPasses::All) data_.emplace(data_product(shape), is_narrow(shape));
    if (passes != ConvPasses::Forward && other_filter_ == nullptr) {
      filter_.emplace(filter_product(shape), is_narrow(shape));
    }
  }

  int64_t packed_bytes() const override { return 0; }
  int64_t packed_gradient_size() const override { return 0; }
  int64_t scratch_bytes() const override {
    int64_t bytes = forward_.scratch_bytes();
    if (data_) bytes = std::max(bytes, data_->scratch_bytes());
    if (filter_) bytes = std::max(bytes, filter_->scratch_bytes());
    return other_filter_ ? std::max(bytes, other_filter_->scratch_bytes()) : bytes;
  }
  void pack(const Stream&, const float*, void*) const override {}
  void unpack_gradient(const Stream&, const float*, float*, Write) const override {}

  void forward(const Stream& stream, const float* x, const float* w, const void*, float* y,
               void* scratch) const override {
    forward_.run<ConvForwardTile>(stream, "conv_forward_tile", y, Write::Overwrite, scratch, taps_,
                                  c_out(), forward_.grid, x, w);
  }
  void backward_data(const Stream& stream, const float* dy, const float* w, const void*, float* dx,
                     Write mode, void* scratch) const override {
    data_->run<ConvDataTile>(stream, "conv_data_tile", dx, mode, scratch, shape_, data_->grid, dy,
                             w);
  }
  void backward_filter(const Stream& stream, const float* x, const float* dy, float* dw, Write mode,
                       void* scratch) const override {
    if (other_filter_) return other_filter_->backward_filter(stream, x, dy, dw, mode, scratch);
    filter_->run<ConvFilterTile>(stream, "conv_filter_tile", dw, mode, scratch, taps_, c_out(),
                                 filter_->grid, x, dy);
  }
  std::string description() const override {
    std::string filter = filter_ ? filter_->name() : "-";
    if (other_filter_) {
      const std::string all = other_filter_->description();
      filter = "cudnn engine " + all.substr(all.rfind("| ") + 2);
    }
    return fmt::format("{} | {} | {}", forward_.name(), data_ ? data_->name() : "-", filter);
  }

 private:
  int c_out() const { return static_cast<int>(shape_.c_out); }

  ConvShape shape_;
  ConvTaps taps_;
  Pass forward_;
  std::optional<Pass> data_, filter_;  // where wanted
  std::unique_ptr<ConvBackend<float>> other_filter_;
};

}  // namespace

std::unique_ptr<ConvBackend<float>> make_tile_conv(const ConvShape& shape, ConvPasses passes,
                                                   std::unique_ptr<ConvBackend<float>> filter) {
  return std::make_unique<TileConv>(shape, passes, std::move(filter));
}

}  // namespace basin::cuda
