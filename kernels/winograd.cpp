#include "kernels/winograd.h"

#include <algorithm>
#include <array>

#include "kernels/elementwise.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "kernels/winograd_product.h"
#include "kernels/winograd_tiles.h"
#include "kernels/winograd_weights.h"

namespace basin {
namespace {

using namespace winograd;

// A group's transformed tiles stay in a core's cache between transforms and products; where there
// are many channels the weights are the larger part, and are read once for at least so many tiles.
constexpr int64_t kGroupValues = 1024;  // tiles * channels
constexpr int64_t kGroupTiles = 32;

// A block of the products: kRows is a multiple of its rows.
template <int W>
struct Block {
  static constexpr int rows = W == 16 ? 8 : 4, vectors = 2;
};

// body(the index of a block's first column, its vectors as an integral_constant) over `columns`.
template <int W, class Body>
void each_column_block(int64_t columns, const Body& body) {
  constexpr int kVectors = Block<W>::vectors;
  int64_t column = 0;
  for (; column + kVectors * W <= columns; column += kVectors * W) {
    body(column, std::integral_constant<int, kVectors>{});
  }
  for (; column < columns; column += W) body(column, std::integral_constant<int, 1>{});
}

// The offset of a column in memory whose lanes are `rows` rows long.
int64_t column_offset(int64_t column, int64_t rows) {
  return column / kLane * kLane * rows + column % kLane;
}

// Where the weights from side `in` to side `out` lie, by frequency: planes of c_in * c_out values.
template <int Stride>
int64_t weight_offset(const Side<Stride>& in, const Side<Stride>& out, int f) {
  return kPlanes<Stride>.before[f] * in.channels * out.channels + f * kPad;
}

// What the next transforms read and write is prefetched during the products, a part with each
// frequency: arithmetic leaves the memory idle, and the transforms would wait for it.
using Ahead = std::array<Pixels, 2>;
template <int Stride>
void prefetch(const Ahead& ahead, int f) {
  for (const Pixels& pixels : ahead) pixels.prefetch(f, kFrequencies<Stride>);
}

// m = v u, frequency by frequency: [rows][in] * [in][out], all in lanes.
template <int W, int Stride>
void multiply(const float* v, const Side<Stride>& in, const float* u, const Side<Stride>& out,
              int64_t rows, float* m, const Ahead& ahead) {
  constexpr int kR = Block<W>::rows;
  for (int f = 0; f < kFrequencies<Stride>; ++f) {
    prefetch<Stride>(ahead, f);
    const int64_t c_in = in.channels_at(f);
    each_column_block<W>(out.channels_at(f), [&](int64_t column, auto vectors) {
      const float* weights = u + weight_offset(in, out, f) + column_offset(column, c_in);
      float* to = m + out.offset(f, rows) + column_offset(column, rows);
      for (int64_t r = 0; r < rows; r += kR) {
        block_product<W, kR, decltype(vectors)::value, kLane, 1, kLane>(
            v + in.offset(f, rows) + r * kLane, rows * kLane, weights, c_in * kLane, c_in / kLane,
            to + r * kLane, rows * kLane, false);
      }
    });
  }
}

// dw (=, +=) sum over tiles of v and d, frequency by frequency: [rows][in]^T * [rows][out].
template <int W, int Stride>
void multiply_transposed(const float* v, const Side<Stride>& in, const float* d,
                         const Side<Stride>& out, int64_t rows, float* dw, bool accumulate,
                         const Ahead& ahead) {
  constexpr int kR = Block<W>::rows;
  for (int f = 0; f < kFrequencies<Stride>; ++f) {
    prefetch<Stride>(ahead, f);
    const int64_t c_in = in.channels_at(f), c_out = out.channels_at(f);
    float* sums = dw + weight_offset(in, out, f);
    each_column_block<W>(c_out, [&](int64_t column, auto vectors) {
      const float* gradients = d + out.offset(f, rows) + column_offset(column, rows);
      float* to = sums + column_offset(column, c_in);
      for (int64_t r = 0; r < c_in; r += kR) {
        block_product<W, kR, decltype(vectors)::value, 1, kLane, kRows>(
            v + in.offset(f, rows) + column_offset(r, rows), kRows * kLane, gradients, rows * kLane,
            rows / kRows, to + r * kLane, c_in * kLane, accumulate);
      }
    });
    if (!accumulate) std::fill_n(sums + c_in * c_out, kPad, 0.0F);
  }
}

template <int Stride>
class WinogradConv final : public ConvBackend<float> {
 public:
  WinogradConv(const Stream& stream, const ConvShape& s, ConvPasses passes)
      : shape_(s),
        passes_(passes),
        tiles_{s.n, s.h_out(), s.w_out()},
        x_image_{s.h, s.w, s.c_in},
        y_image_{s.h_out(), s.w_out(), s.c_out},
        x_side_{s.c_in, true},
        y_side_{s.c_out, false} {
    const int64_t most = std::max<int64_t>(kGroupValues / std::max(s.c_in, s.c_out), kGroupTiles);
    const int64_t share = ceil_div(tiles_.count(), int64_t{stream.threads()});
    // Equal groups, in whole rows of a block.
    const int64_t groups = ceil_div(share, most);
    group_ = round_up(ceil_div(share, groups), int64_t{kRows});
    groups_ = ceil_div(tiles_.count(), group_);
    parts_ = std::min<int64_t>(stream.threads(), groups_);
  }

  int64_t packed_bytes() const override {
    return (passes_ == ConvPasses::All ? 2 : 1) * weight_values() * int64_t{sizeof(float)};
  }
  int64_t packed_gradient_size() const override {
    return passes_ == ConvPasses::Forward ? 0 : weight_values();
  }
  int64_t scratch_bytes() const override {
    const int64_t gradients = passes_ == ConvPasses::Forward ? 0 : (parts_ - 1) * weight_values();
    return (zeros() + parts_ * part_values() + gradients) * int64_t{sizeof(float)};
  }

  void pack(const Stream&, const float* w, void* packed) const override;
  void forward(const Stream& stream, const float* x, const float*, const void* packed, float* y,
               void* scratch) const override;
  void backward_data(const Stream& stream, const float* dy, const float*, const void* packed,
                     float* dx, Write mode, void* scratch) const override;
  void backward_filter(const Stream& stream, const float* x, const float* dy, float* dw, Write mode,
                       void* scratch) const override;
  void unpack_gradient(const Stream& stream, const float* packed_dw, float* dw,
                       Write mode) const override;
  std::string description() const override {
    const std::string name = Stride == 1 ? "winograd F(4x4,3x3)" : "winograd F(4x4,2x2) by phases";
    return name + " | " + (passes_ == ConvPasses::All ? name : "-") + " | " +
           (passes_ != ConvPasses::Forward ? name : "-");
  }

 private:
  int64_t weight_values() const { return weight_offset(x_side_, y_side_, kFrequencies<Stride>); }
  int64_t zeros() const { return std::max(shape_.c_in, shape_.c_out); }
  int64_t part_values() const { return x_side_.values(group_) + y_side_.values(group_); }
  Pixels x_pixels(const Group& g, const float* x) const { return {g, x, x_image_, Stride * kOut}; }
  Pixels y_pixels(const Group& g, const float* y) const { return {g, y, y_image_, kOut}; }

  // body(part, its memory for transformed tiles, zeros) for each part, on the stream's threads.
  template <class Body>
  void each_part(const Stream& stream, void* scratch, const Body& body) const {
    auto* zero = static_cast<float*>(scratch);
    std::fill_n(zero, zeros(), 0.0F);
    float* memory = zero + zeros();
    const int64_t bytes = shape_.input_size() * int64_t{sizeof(float)};
    cpu::parallel_ranges(stream, parts_, 1, bytes, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) body(p, memory + p * part_values(), zero);
    });
  }
  // body(first channel, last) for whole lanes of `channels`, on the stream's threads.
  template <class Body>
  void each_lane(const Stream& stream, int64_t channels, const Body& body) const {
    cpu::parallel_ranges(stream, channels, kLane, weight_values() * int64_t{sizeof(float)}, body);
  }
  template <class Body>
  void each_group(int64_t part, const Body& body) const {
    const int64_t last = groups_ * (part + 1) / parts_;
    for (int64_t g = groups_ * part / parts_; g < last; ++g) {
      const int64_t begin = g * group_, end = std::min(tiles_.count(), begin + group_);
      body(Group{tiles_, begin, end, round_up(end - begin, int64_t{kRows})});
    }
  }

  ConvShape shape_;
  ConvPasses passes_;
  Tiles tiles_;
  Image x_image_, y_image_;
  Side<Stride> x_side_, y_side_;
  int64_t group_, groups_, parts_;  // tiles of a group; groups; threads that share them
};

// In each pass a group goes through three calls, each compiled alone: g++ keeps the sums in
// registers only there.
template <int Stride>
void WinogradConv<Stride>::forward(const Stream& stream, const float* x, const float*,
                                   const void* packed, float* y, void* scratch) const {
  const auto* u = static_cast<const float*>(packed);
  each_part(stream, scratch, [&](int64_t part, float* v, const float* zeros) {
    each_group(part, [&](const Group& g) {
      float* m = v + x_side_.values(g.rows);
      const Ahead ahead = {x_pixels(g.next(), x), y_pixels(g, y)};
      cpu::vectorised_by_width(
          [&]<class W>(W) { transform_x<W::value, Stride>(g, x, x_image_, zeros, v); });
      cpu::vectorised_by_width(
          [&]<class W>(W) { multiply<W::value>(v, x_side_, u, y_side_, g.rows, m, ahead); });
      cpu::vectorised_by_width(
          [&]<class W>(W) { transform_to_y<W::value, Stride>(g, m, y, y_image_); });
    });
  });
}

// The convolution of dy with the weights turned by half a turn, and their channels exchanged.
template <int Stride>
void WinogradConv<Stride>::backward_data(const Stream& stream, const float* dy, const float*,
                                         const void* packed, float* dx, Write mode,
                                         void* scratch) const {
  const auto* u = static_cast<const float*>(packed) + weight_values();
  each_part(stream, scratch, [&](int64_t part, float* d, const float* zeros) {
    each_group(part, [&](const Group& g) {
      float* m = d + y_side_.values(g.rows);
      const Ahead ahead = {y_pixels(g.next(), dy), x_pixels(g, dx)};
      cpu::vectorised_by_width([&]<class W>(W) {
        transform_dy<W::value, Stride, DyFor::Data>(g, dy, y_image_, zeros, d);
      });
      cpu::vectorised_by_width(
          [&]<class W>(W) { multiply<W::value>(d, y_side_, u, x_side_, g.rows, m, ahead); });
      cpu::vectorised_by_width(
          [&]<class W>(W) { transform_to_dx<W::value, Stride>(g, m, dx, x_image_, mode); });
    });
  });
}

template <int Stride>
void WinogradConv<Stride>::backward_filter(const Stream& stream, const float* x, const float* dy,
                                           float* dw, Write mode, void* scratch) const {
  // Of parts 1, 2, …
  float* sums = static_cast<float*>(scratch) + zeros() + parts_ * part_values();
  const auto sum_of = [&](int64_t part) {
    return part == 0 ? dw : sums + (part - 1) * weight_values();
  };
  each_part(stream, scratch, [&](int64_t part, float* v, const float* zeros) {
    bool accumulate = part == 0 && mode == Write::Accumulate;
    each_group(part, [&](const Group& g) {
      float* d = v + x_side_.values(g.rows);
      const Ahead ahead = {x_pixels(g.next(), x), y_pixels(g.next(), dy)};
      cpu::vectorised_by_width([&]<class W>(W) {
        transform_x<W::value, Stride>(g, x, x_image_, zeros, v);
        transform_dy<W::value, Stride, DyFor::Weights>(g, dy, y_image_, zeros, d);
      });
      cpu::vectorised_by_width([&]<class W>(W) {
        multiply_transposed<W::value>(v, x_side_, d, y_side_, g.rows, sum_of(part), accumulate,
                                      ahead);
      });
      accumulate = true;
    });
  });
  for (int64_t part = 1; part < parts_; ++part) {
    map<float, Add<float>>(stream, {}, weight_values(), {dw, sum_of(part)}, {dw});
  }
}

template <int Stride>
void WinogradConv<Stride>::pack(const Stream& stream, const float* w, void* packed) const {
  auto* u = static_cast<float*>(packed);
  each_lane(stream, shape_.c_out, [&](int64_t begin, int64_t end) {
    cpu::vectorised_by_width(
        [&]<class W>(W) { pack_forward<W::value, Stride>(shape_, w, u, begin, end); });
  });
  if (passes_ != ConvPasses::All) return;
  each_lane(stream, shape_.c_in, [&](int64_t begin, int64_t end) {
    cpu::vectorised_by_width([&]<class W>(W) {
      pack_turned<W::value, Stride>(shape_, w, u + weight_values(), begin, end);
    });
  });
}

template <int Stride>
void WinogradConv<Stride>::unpack_gradient(const Stream& stream, const float* packed_dw, float* dw,
                                           Write mode) const {
  each_lane(stream, shape_.c_out, [&](int64_t begin, int64_t end) {
    cpu::vectorised_by_width([&]<class W>(W) {
      unpack_weights<W::value, Stride>(shape_, packed_dw, dw, mode, begin, end);
    });
  });
}

}  // namespace

bool winograd_fits(const ConvShape& s) {
  return s.kernel == 3 && (s.stride == 1 || s.stride == 2) && s.padding == 1 &&
         s.c_in % kLane == 0 && s.c_out % kLane == 0;
}

bool winograd_is_faster(const ConvShape& s) {
  return winograd_fits(s) && Tiles{s.n, s.h_out(), s.w_out()}.count() >= kRows;
}

std::unique_ptr<ConvBackend<float>> make_winograd_conv(const Stream& stream, const ConvShape& shape,
                                                       ConvPasses passes) {
  if (shape.stride == 1) return std::make_unique<WinogradConv<1>>(stream, shape, passes);
  return std::make_unique<WinogradConv<2>>(stream, shape, passes);
}

}  // namespace basin
