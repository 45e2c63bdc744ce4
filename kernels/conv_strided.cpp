// A strided 1x1 convolution reads one pixel in stride x stride: those pixels are gathered, and the
// library convolves them at stride 1, which takes half the time on a CPU (and keeps its weight
// gradient within its memory: oneDNN's issue 6035).
#include <algorithm>
#include <cstring>

#include "kernels/conv_backend.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace {

template <class T>
class StridedPointwiseConv final : public ConvBackend<T> {
 public:
  StridedPointwiseConv(const Stream& stream, const ConvShape& s, ConvPasses passes)
      : shape_(s),
        inner_(make_onednn_conv<T>(stream, {s.n, s.h_out(), s.w_out(), s.c_in, s.c_out, 1, 1, 0},
                                   passes)) {}

  int64_t packed_bytes() const override { return inner_->packed_bytes(); }
  int64_t packed_gradient_size() const override { return inner_->packed_gradient_size(); }
  int64_t scratch_bytes() const override { return gathered_bytes() + inner_->scratch_bytes(); }
  void pack(const Stream& stream, const Wide<T>* w, void* packed) const override {
    inner_->pack(stream, w, packed);
  }
  void forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed, T* y,
               void* scratch) const override {
    inner_->forward(stream, gather(stream, x, scratch), w, packed, y, rest(scratch));
  }
  void backward_data(const Stream& stream, const T* dy, const Wide<T>* w, const void* packed, T* dx,
                     Write mode, void* scratch) const override {
    auto* gathered = static_cast<T*>(scratch);
    inner_->backward_data(stream, dy, w, packed, gathered, Write::Overwrite, rest(scratch));
    scatter(stream, gathered, dx, mode);
  }
  void backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw, Write mode,
                       void* scratch) const override {
    inner_->backward_filter(stream, gather(stream, x, scratch), dy, dw, mode, rest(scratch));
  }
  void unpack_gradient(const Stream& stream, const Wide<T>* packed_dw, Wide<T>* dw,
                       Write mode) const override {
    inner_->unpack_gradient(stream, packed_dw, dw, mode);
  }
  std::string description() const override { return inner_->description() + " (gathered)"; }

 private:
  int64_t gathered_bytes() const {
    const int64_t values = shape_.n * shape_.h_out() * shape_.w_out() * shape_.c_in;
    return round_up(values * int64_t{sizeof(T)}, int64_t{64});
  }
  void* rest(void* scratch) const { return static_cast<char*>(scratch) + gathered_bytes(); }

  // body(first pixel of a row of x, first pixel of its row gathered, or -1 where none is), for each
  // row of x.
  template <class Body>
  void each_row(const Stream& stream, const Body& body) const {
    const ConvShape& s = shape_;
    const int64_t rows = s.n * s.h, bytes = s.input_size() * int64_t{sizeof(T)};
    cpu::parallel_ranges(stream, rows, 1, bytes, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t image = row / s.h, r = row % s.h;
        const bool read = r % s.stride == 0 && r / s.stride < s.h_out();
        body(row * s.w, read ? (image * s.h_out() + r / s.stride) * s.w_out() : -1);
      }
    });
  }
  const T* gather(const Stream& stream, const T* x, void* scratch) const {
    auto* to = static_cast<T*>(scratch);
    const ConvShape& s = shape_;
    each_row(stream, [&](int64_t from, int64_t row) {
      if (row < 0) return;
      for (int64_t q = 0; q < s.w_out(); ++q) {
        std::memcpy(to + (row + q) * s.c_in, x + (from + q * s.stride) * s.c_in,
                    s.c_in * sizeof(T));
      }
    });
    return to;
  }
  void scatter(const Stream& stream, const T* gathered, T* dx, Write mode) const {
    const ConvShape& s = shape_;
    each_row(stream, [&](int64_t to, int64_t row) {
      T* begin = dx + to * s.c_in;
      if (mode == Write::Overwrite) std::fill(begin, begin + s.w * s.c_in, T(0));
      if (row < 0) return;
      cpu::vectorised([&] {
        for (int64_t q = 0; q < s.w_out(); ++q) {
          for (int64_t k = 0; k < s.c_in; ++k) {
            T& to_pixel = begin[q * s.stride * s.c_in + k];
            to_pixel = to_pixel + gathered[(row + q) * s.c_in + k];
          }
        }
      });
    });
  }

  ConvShape shape_;
  std::unique_ptr<ConvBackend<T>> inner_;
};

}  // namespace

template <class T>
std::unique_ptr<ConvBackend<T>> make_strided_pointwise_conv(const Stream& stream,
                                                            const ConvShape& shape,
                                                            ConvPasses passes) {
  return std::make_unique<StridedPointwiseConv<T>>(stream, shape, passes);
}

template std::unique_ptr<ConvBackend<float>> make_strided_pointwise_conv(const Stream&,
                                                                         const ConvShape&,
                                                                         ConvPasses);
template std::unique_ptr<ConvBackend<bfloat16>> make_strided_pointwise_conv(const Stream&,
                                                                            const ConvShape&,
                                                                            ConvPasses);

}  // namespace basin
