#include "kernels/winograd.h"

#include <algorithm>

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

// m [36][c_out/16][rows][16] = v [36][c_in/16][rows][16] * u [36][c_out/16][c_in][16].
template <int W>
void multiply(const float* v, int64_t c_in, const float* u, int64_t c_out, int64_t rows, float* m) {
  constexpr int kR = Block<W>::rows;
  const int64_t v_stride = frequency_stride(c_in, rows), m_stride = frequency_stride(c_out, rows);
  const int64_t u_stride = frequency_stride(c_out, c_in);
  for (int f = 0; f < kFrequencies; ++f) {
    each_column_block<W>(c_out, [&](int64_t column, auto vectors) {
      const float* weights = u + f * u_stride + column_offset(column, c_in);
      float* to = m + f * m_stride + column_offset(column, rows);
      for (int64_t r = 0; r < rows; r += kR) {
        block_product<W, kR, decltype(vectors)::value, kLane, 1, kLane>(
            v + f * v_stride + r * kLane, rows * kLane, weights, c_in * kLane, c_in / kLane,
            to + r * kLane, rows * kLane, false);
      }
    });
  }
}

// dw [36][c_out/16][c_in][16] (=, +=) sum over tiles of v [36][c_in/16][rows][16] and
// d [36][c_out/16][rows][16].
template <int W>
void multiply_transposed(const float* v, int64_t c_in, const float* d, int64_t c_out, int64_t rows,
                         float* dw, bool accumulate) {
  constexpr int kR = Block<W>::rows;
  const int64_t v_stride = frequency_stride(c_in, rows), d_stride = frequency_stride(c_out, rows);
  const int64_t dw_stride = frequency_stride(c_out, c_in);
  for (int f = 0; f < kFrequencies; ++f) {
    each_column_block<W>(c_out, [&](int64_t column, auto vectors) {
      const float* gradients = d + f * d_stride + column_offset(column, rows);
      float* to = dw + f * dw_stride + column_offset(column, c_in);
      for (int64_t r = 0; r < c_in; r += kR) {
        block_product<W, kR, decltype(vectors)::value, 1, kLane, kRows>(
            v + f * v_stride + column_offset(r, rows), kRows * kLane, gradients, rows * kLane,
            rows / kRows, to + r * kLane, c_in * kLane, accumulate);
      }
    });
    if (!accumulate) std::fill_n(dw + f * dw_stride + c_in * c_out, kPad, 0.0F);
  }
}

class WinogradConv final : public ConvBackend<float> {
 public:
  WinogradConv(const Stream& stream, const ConvShape& s, ConvPasses passes)
      : shape_(s), passes_(passes), tiles_{s.n, s.h, s.w} {
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
               void* scratch) const override {
    convolve(stream, x, shape_.c_in, static_cast<const float*>(packed), shape_.c_out, y,
             Write::Overwrite, static_cast<float*>(scratch));
  }
  // The convolution of dy with the weights turned by half a turn, and their channels exchanged.
  void backward_data(const Stream& stream, const float* dy, const float*, const void* packed,
                     float* dx, Write mode, void* scratch) const override {
    convolve(stream, dy, shape_.c_out, static_cast<const float*>(packed) + weight_values(),
             shape_.c_in, dx, mode, static_cast<float*>(scratch));
  }
  void backward_filter(const Stream& stream, const float* x, const float* dy, float* dw, Write mode,
                       void* scratch) const override;
  void unpack_gradient(const Stream& stream, const float* packed_dw, float* dw,
                       Write mode) const override;
  std::string description() const override {
    const std::string name = "winograd F(4x4,3x3)";
    return name + " | " + (passes_ == ConvPasses::All ? name : "-") + " | " +
           (passes_ != ConvPasses::Forward ? name : "-");
  }

 private:
  int64_t weight_values() const {
    return kFrequencies * frequency_stride(shape_.c_out, shape_.c_in);
  }
  int64_t zeros() const { return std::max(shape_.c_in, shape_.c_out); }
  // Transformed tiles on the side of x and on the side of y.
  int64_t x_values() const { return kFrequencies * frequency_stride(shape_.c_in, group_); }
  int64_t part_values() const {
    return x_values() + kFrequencies * frequency_stride(shape_.c_out, group_);
  }

  void convolve(const Stream& stream, const float* x, int64_t c_in, const float* u, int64_t c_out,
                float* y, Write mode, float* scratch) const;
  // body(part, its memory for transformed tiles, zeros) for each part, on the stream's threads.
  template <class Body>
  void each_part(const Stream& stream, float* scratch, const Body& body) const {
    std::fill_n(scratch, zeros(), 0.0F);
    float* memory = scratch + zeros();
    const int64_t bytes = shape_.input_size() * int64_t{sizeof(float)};
    cpu::parallel_ranges(stream, parts_, 1, bytes, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) body(p, memory + p * part_values(), scratch);
    });
  }
  // body(first channel, last) for whole lanes of `channels`, on the stream's threads.
  template <class Body>
  void each_lane(const Stream& stream, int64_t channels, const Body& body) const {
    cpu::parallel_ranges(stream, channels, kLane, weight_values() * int64_t{sizeof(float)}, body);
  }
  // body(first tile, last, rows that they fill) for each group of a part.
  template <class Body>
  void each_group(int64_t part, const Body& body) const {
    const int64_t last = groups_ * (part + 1) / parts_;
    for (int64_t g = groups_ * part / parts_; g < last; ++g) {
      const int64_t begin = g * group_, end = std::min(tiles_.count(), begin + group_);
      body(begin, end, round_up(end - begin, int64_t{kRows}));
    }
  }

  ConvShape shape_;
  ConvPasses passes_;
  Tiles tiles_;
  int64_t group_, groups_, parts_;  // tiles of a group; groups; threads that share them
};

void WinogradConv::convolve(const Stream& stream, const float* x, int64_t c_in, const float* u,
                            int64_t c_out, float* y, Write mode, float* scratch) const {
  each_part(stream, scratch, [&](int64_t part, float* v, const float* zeros) {
    each_group(part, [&](int64_t begin, int64_t end, int64_t rows) {
      float* m = v + kFrequencies * frequency_stride(c_in, rows);
      // Three calls, each compiled alone: g++ keeps the sums in registers only there.
      cpu::vectorised_by_width(
          [&]<class W>(W) { transform_x<W::value>(tiles_, x, c_in, begin, end, rows, zeros, v); });
      cpu::vectorised_by_width([&]<class W>(W) { multiply<W::value>(v, c_in, u, c_out, rows, m); });
      cpu::vectorised_by_width([&]<class W>(W) {
        transform_back<W::value>(tiles_, m, c_out, begin, end, rows, y, mode);
      });
    });
  });
}

void WinogradConv::backward_filter(const Stream& stream, const float* x, const float* dy, float* dw,
                                   Write mode, void* memory) const {
  const int64_t c_in = shape_.c_in, c_out = shape_.c_out;
  auto* scratch = static_cast<float*>(memory);
  float* sums = scratch + zeros() + parts_ * part_values();  // of parts 1, 2, …
  const auto sum_of = [&](int64_t part) {
    return part == 0 ? dw : sums + (part - 1) * weight_values();
  };
  each_part(stream, scratch, [&](int64_t part, float* v, const float* zeros) {
    bool accumulate = part == 0 && mode == Write::Accumulate;
    each_group(part, [&](int64_t begin, int64_t end, int64_t rows) {
      float* d = v + kFrequencies * frequency_stride(c_in, rows);
      cpu::vectorised_by_width([&]<class W>(W) {
        transform_x<W::value>(tiles_, x, c_in, begin, end, rows, zeros, v);
        transform_dy<W::value>(tiles_, dy, c_out, begin, end, rows, zeros, d);
      });
      cpu::vectorised_by_width([&]<class W>(W) {
        multiply_transposed<W::value>(v, c_in, d, c_out, rows, sum_of(part), accumulate);
      });
      accumulate = true;
    });
  });
  for (int64_t part = 1; part < parts_; ++part) {
    map<float, Add<float>>(stream, {}, weight_values(), {dw, sum_of(part)}, {dw});
  }
}

void WinogradConv::pack(const Stream& stream, const float* w, void* packed) const {
  auto* u = static_cast<float*>(packed);
  each_lane(stream, shape_.c_out, [&](int64_t begin, int64_t end) {
    cpu::vectorised_by_width([&]<class W>(W) { pack_forward<W::value>(shape_, w, u, begin, end); });
  });
  if (passes_ != ConvPasses::All) return;
  each_lane(stream, shape_.c_in, [&](int64_t begin, int64_t end) {
    cpu::vectorised_by_width(
        [&]<class W>(W) { pack_turned<W::value>(shape_, w, u + weight_values(), begin, end); });
  });
}

void WinogradConv::unpack_gradient(const Stream& stream, const float* packed_dw, float* dw,
                                   Write mode) const {
  each_lane(stream, shape_.c_out, [&](int64_t begin, int64_t end) {
    cpu::vectorised_by_width(
        [&]<class W>(W) { unpack_weights<W::value>(shape_, packed_dw, dw, mode, begin, end); });
  });
}

}  // namespace

bool winograd_fits(const ConvShape& s) {
  return s.kernel == 3 && s.stride == 1 && s.padding == 1 && s.c_in % kLane == 0 &&
         s.c_out % kLane == 0;
}

bool winograd_is_faster(const ConvShape& s) {
  return winograd_fits(s) && Tiles{s.n, s.h, s.w}.count() >= kRows;
}

std::unique_ptr<ConvBackend<float>> make_winograd_conv(const Stream& stream, const ConvShape& shape,
                                                       ConvPasses passes) {
  return std::make_unique<WinogradConv>(stream, shape, passes);
}

}  // namespace basin
