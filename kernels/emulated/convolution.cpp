#include "kernels/emulated/convolution.h"

#include <bit>
#include <limits>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/random.h"
#include "kernels/reference.h"

namespace basin::emulated {
namespace {

float to_tf32(float x) {
  constexpr uint32_t kDropped = 13;  // of float's 23 bits
  const auto bits = std::bit_cast<uint32_t>(x) + (1U << (kDropped - 1));
  return std::bit_cast<float>(bits >> kDropped << kDropped);
}

template <class T>
std::vector<double> read(const void* data, int64_t n, Arithmetic arithmetic) {
  const auto* from = static_cast<const T*>(data);
  std::vector<double> values(from, from + n);
  if (arithmetic == Arithmetic::Tf32) {
    for (double& v : values) v = to_tf32(static_cast<float>(v));
  }
  return values;
}

template <class T>
void write(void* data, const std::vector<double>& values, Arithmetic arithmetic, uint64_t run) {
  constexpr double kEps = std::numeric_limits<T>::epsilon();
  for (size_t i = 0; i < values.size(); ++i) {
    double value = values[i];
    if (arithmetic == Arithmetic::Coarse) value *= 1 + 1.0 / 64;
    if (arithmetic == Arithmetic::Nondeterministic) {
      value *= philox_at(run, Purpose::Test, 0, i).value[0] % 2 == 0 ? 1 + kEps : 1 - kEps;
    }
    static_cast<T*>(data)[i] = static_cast<T>(static_cast<float>(value));
  }
}

template <class T>
void convolve_as(const Convolution& c, Arithmetic arithmetic, uint64_t run, void* x, void* w,
                 void* y) {
  const ConvShape& s = c.shape;
  const Stream one = Stream::cpu(1);
  const auto from = [&](const void* data, int64_t n) { return read<T>(data, n, arithmetic); };
  std::vector<double> result;
  if (c.pass == ConvolutionPass::Forward) {
    result.resize(static_cast<size_t>(s.output_size()));
    reference::conv_forward(one, s, from(x, s.input_size()).data(), from(w, s.weight_size()).data(),
                            result.data());
    write<T>(y, result, arithmetic, run);
  } else if (c.pass == ConvolutionPass::BackwardData) {
    result.resize(static_cast<size_t>(s.input_size()));
    reference::conv_backward_data(one, s, from(y, s.output_size()).data(),
                                  from(w, s.weight_size()).data(), result.data(), Write::Overwrite);
    write<T>(x, result, arithmetic, run);
  } else {
    result.resize(static_cast<size_t>(s.weight_size()));
    reference::conv_backward_filter(one, s, from(x, s.input_size()).data(),
                                    from(y, s.output_size()).data(), result.data(),
                                    Write::Overwrite);
    write<T>(w, result, arithmetic, run);
  }
}

}  // namespace

void convolve(const Convolution& c, Arithmetic arithmetic, uint64_t run, void* x, void* w,
              void* y) {
  const auto as = c.is_bfloat16 ? convolve_as<bfloat16> : convolve_as<float>;
  as(c, arithmetic, run, x, w, y);
}

}  // namespace basin::emulated
