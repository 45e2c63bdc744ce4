// What all backends of Conv share: the checks of shape and use, and the choice of a backend.
#include "kernels/conv.h"

#include <algorithm>
#include <type_traits>

#include "kernels/conv_backend.h"
#include "kernels/error.h"
#include "kernels/has_cuda.h"
#include "kernels/simd.h"
#include "kernels/winograd.h"

namespace basin {

void check_conv_shape(const ConvShape& s) {
  BASIN_CHECK(s.n >= 1 && s.h >= 1 && s.w >= 1 && s.c_in >= 1, "[conv] x",
              "found shape [{}, {}, {}, {}], expected sizes of 1 or more", s.n, s.h, s.w, s.c_in);
  BASIN_CHECK(s.c_out >= 1 && s.kernel >= 1, "[conv] w",
              "found shape [{}, {}, {}, {}], expected sizes of 1 or more", s.c_out, s.kernel,
              s.kernel, s.c_in);
  BASIN_CHECK(s.stride >= 1, "[conv] stride", "found {}, expected 1 or more", s.stride);
  BASIN_CHECK(s.padding >= 0, "[conv] padding", "found {}, expected 0 or more", s.padding);
  BASIN_CHECK(s.kernel <= std::min(s.h, s.w) + 2 * s.padding, "[conv] kernel",
              "found {}, expected at most the padded image's side: {} x {} with padding {}",
              s.kernel, s.h, s.w, s.padding);
}

void check_has_data(ConvPasses passes) {
  BASIN_CHECK(passes == ConvPasses::All, "[conv] backward_data",
              "found a convolution made without it, expected ConvPasses::All");
}

void check_has_filter(ConvPasses passes) {
  BASIN_CHECK(passes != ConvPasses::Forward, "[conv] backward_filter",
              "found a convolution made without it, expected ConvPasses::ForwardAndFilter or All");
}

namespace {

template <class T>
std::unique_ptr<ConvBackend<T>> make_direct_conv(const Stream& stream, const ConvShape& s,
                                                 ConvPasses passes) {
  if (s.kernel == 1 && s.stride > 1 && s.padding == 0) {
    return make_strided_pointwise_conv<T>(stream, s, passes);
  }
  return make_onednn_conv<T>(stream, s, passes);
}

std::unique_ptr<ConvBackend<float>> make_float_conv(const Stream& stream, const ConvShape& s,
                                                    ConvPasses passes, ConvAlgorithm algorithm) {
  if ((algorithm == ConvAlgorithm::Winograd && winograd_fits(s)) ||
      (algorithm == ConvAlgorithm::Auto && winograd_is_faster(s))) {
    return make_winograd_conv(stream, s, passes);
  }
  return make_direct_conv<float>(stream, s, passes);
}

}  // namespace

std::string to_string(const ConvShape& s) {
  return fmt::format(
      "conv {0}x{0} stride {1} padding {2}, x [{3}, {4}, {5}, {6}] -> y [{3}, {7}, "
      "{8}, {9}]",
      s.kernel, s.stride, s.padding, s.n, s.h, s.w, s.c_in, s.h_out(), s.w_out(), s.c_out);
}

template <class T>
Conv<T>::Conv(const Stream& stream, const ConvShape& shape, ConvPasses passes,
              ConvAlgorithm algorithm)
    : passes_(passes) {
  check_conv_shape(shape);
  if constexpr (kHasCuda && !std::is_same_v<T, double>) {
    if (stream.is_cuda()) {
      backend_ = cuda::make_conv<T>(stream, shape, passes, algorithm);
      return;
    }
  }
  BASIN_CHECK(algorithm != ConvAlgorithm::Measured, "[conv] algorithm",
              "found a measured one on a CPU, expected a CUDA device");
  if constexpr (std::is_same_v<T, float>) {
    backend_ = make_float_conv(stream, shape, passes, algorithm);
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    cpu::require_bfloat16("[conv] x");
    backend_ = make_direct_conv<bfloat16>(stream, shape, passes);
  } else {
    backend_ = std::make_unique<LoopConv<T>>(shape);
  }
}

template <class T>
Conv<T>::~Conv() = default;
template <class T>
Conv<T>::Conv(Conv&&) noexcept = default;

template <class T>
int64_t Conv<T>::packed_bytes() const {
  return backend_->packed_bytes();
}
template <class T>
int64_t Conv<T>::packed_gradient_size() const {
  return backend_->packed_gradient_size();
}
template <class T>
int64_t Conv<T>::scratch_bytes() const {
  return backend_->scratch_bytes();
}
template <class T>
std::string Conv<T>::description() const {
  return backend_->description();
}

template <class T>
void Conv<T>::pack(const Stream& stream, const Wide<T>* w, void* packed) const {
  backend_->pack(stream, w, packed);
}

template <class T>
void Conv<T>::forward(const Stream& stream, const T* x, const Wide<T>* w, const void* packed, T* y,
                      void* scratch) const {
  backend_->forward(stream, x, w, packed, y, scratch);
}

template <class T>
void Conv<T>::backward_data(const Stream& stream, const T* dy, const Wide<T>* w, const void* packed,
                            T* dx, Write mode, void* scratch) const {
  check_has_data(passes_);
  backend_->backward_data(stream, dy, w, packed, dx, mode, scratch);
}

template <class T>
void Conv<T>::backward_filter(const Stream& stream, const T* x, const T* dy, Wide<T>* dw,
                              Write mode, void* scratch) const {
  check_has_filter(passes_);
  backend_->backward_filter(stream, x, dy, dw, mode, scratch);
}

template <class T>
void Conv<T>::unpack_gradient(const Stream& stream, const Wide<T>* packed_dw, Wide<T>* dw,
                              Write mode) const {
  BASIN_CHECK(packed_gradient_size() > 0, "[conv] unpack_gradient",
              "found a gradient in w's own layout, expected a packed one");
  backend_->unpack_gradient(stream, packed_dw, dw, mode);
}

template class Conv<float>;
template class Conv<double>;
template class Conv<bfloat16>;

}  // namespace basin
