// A pass of a convolution by tiles, made ready to be launched: the kernel of its tile, its grid,
// and the sum of its parts where k is split. Of one convolution, or of each of several groups at
// once.
#pragma once

#include <fmt/format.h>

#include <string>
#include <type_traits>

#include "kernels/conv_tile_passes.cuh"
#include "kernels/groups_of.cuh"
#include "kernels/launch.cuh"

namespace basin::cuda {

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

// Of `groups` convolutions of one shape, whose operands and results are GroupsArray; or of one
// alone, whose operands are pointers.
enum class TileRun { Alone, Groups };
template <TileRun kRun>
class TilePass {
 public:
  template <class T>
  using Array = std::conditional_t<kRun == TileRun::Groups, GroupsArray<T>, T*>;

  // product: of one group.
  TilePass(const TileProduct& product, bool is_narrow, int64_t groups = 1)
      : narrow_(is_narrow),
        groups_(groups),
        tiling_(choose_tiling(of_all(product, groups), is_narrow)),
        tile_(kConvTiles[tiling_.tile]),
        grid_{static_cast<int>(ceil_div<int64_t>(product.m, tile_.m)),
              static_cast<int>(ceil_div<int64_t>(product.n, tile_.n)),
              static_cast<int>(product.problems), tiling_.splits},
        size_(product.size),
        part_size_(round_up<int64_t>(size_, 4)) {}

  const TileGrid& grid() const { return grid_; }
  int64_t scratch_bytes() const {
    return grid_.splits == 1 ? 0 : groups_ * grid_.splits * part_size_ * int64_t{sizeof(float)};
  }
  std::string name() const {
    const std::string parts = grid_.splits == 1 ? "" : fmt::format(" of {} parts", grid_.splits);
    return fmt::format("tile {}x{}{}", tile_.m, tile_.n, parts);
  }

  // Body<Tile, Width>(operands..., result), and the sum of parts.
  template <template <class, int> class Body, class... Operands>
  void run(const Stream& stream, const char* name, Array<float> to, Write mode, void* scratch,
           Operands... operands) const {
    const bool whole = grid_.splits == 1;
    const auto parts = array(static_cast<float*>(scratch), grid_.splits * part_size_);
    const int64_t blocks = int64_t{grid_.tiles_m} * grid_.tiles_n * grid_.problems * grid_.splits;
    with_tile(tiling_.tile, narrow_, [&]<class Tile, int Width>() {
      start<Body<Tile, Width>>(
          stream, name, {blocks, Tile::kThreads}, operands...,
          whole ? result(to, 0, mode) : result(parts, part_size_, Write::Overwrite));
    });
    if (whole) return;
    constexpr int kFew = 8;
    if (grid_.splits <= kFew) {
      sum<1>(stream, parts, result(to, 0, mode));
    } else {
      sum<kFew>(stream, parts, result(to, 0, mode));
    }
  }

 private:
  static TileProduct of_all(TileProduct product, int64_t groups) {
    product.problems *= groups;
    product.size *= groups;
    return product;
  }

  template <class T>
  static Array<T> array(T* first, int64_t step) {
    if constexpr (kRun == TileRun::Groups) {
      return {first, step};
    } else {
      return first;
    }
  }
  static auto result(const Array<float>& to, int64_t part_size, Write mode) {
    if constexpr (kRun == TileRun::Groups) {
      return GroupsResult{{to.first, part_size, mode}, to.step};
    } else {
      return TileResult{to, part_size, mode};
    }
  }

  // `grid`: of a group.
  template <class Body, class... Operands>
  void start(const Stream& stream, const char* name, Grid grid, Operands... operands) const {
    if constexpr (kRun == TileRun::Groups) {
      launch<GroupsOf<Body>>(stream, name, {groups_ * grid.blocks, grid.threads},
                             static_cast<int>(grid.blocks), operands...);
    } else {
      launch<Body>(stream, name, grid, operands...);
    }
  }

  template <int Teams, class Result>
  void sum(const Stream& stream, const Array<float>& parts, const Result& to) const {
    using Body = TilePartsSum<Teams, kRun == TileRun::Groups ? 3 : 4>;  // by their registers
    const int64_t blocks = ceil_div<int64_t>(part_size_ / 4, Body::kAcross);
    start<Body>(stream, "conv_tile_parts", {blocks, Body::kMaxThreads}, size_,
                int64_t{grid_.splits}, parts, part_size_, to);
  }

  bool narrow_;
  int64_t groups_;
  ConvTiling tiling_;
  TileExtents tile_;
  TileGrid grid_;
  int64_t size_, part_size_;
};

}  // namespace basin::cuda
