// Who convolves on CUDA: in float32 without TF32 Basin's tiles, otherwise cuDNN.
#include "kernels/conv_tile.h"
#include "kernels/launch.cuh"

namespace basin::cuda {
namespace {

// cuDNN's Winograd engine has 16 products for 36, which it takes many channels to win by.
bool filter_is_winograds(const ConvShape& s) {
  return s.kernel == 3 && s.stride == 1 && s.c_in >= 128 && s.c_out >= 128;
}

}  // namespace

template <>
std::unique_ptr<ConvBackend<float>> make_conv(const Stream& stream, const ConvShape& shape,
                                              ConvPasses passes, ConvAlgorithm algorithm) {
  const bool tiles = algorithm == ConvAlgorithm::Auto || algorithm == ConvAlgorithm::Direct;
  if (!tiles || !tiles_fit(shape) || stream.cuda_stream().tf32 == Tf32::Yes) {
    return make_cudnn_conv<float>(stream, shape, passes, algorithm);
  }
  std::unique_ptr<ConvBackend<float>> filter;
  if (passes != ConvPasses::Forward && algorithm == ConvAlgorithm::Auto &&
      filter_is_winograds(shape)) {
    filter = make_cudnn_conv<float>(stream, shape, ConvPasses::ForwardAndFilter, algorithm);
  }
  return make_tile_conv(shape, passes, std::move(filter));
}

template <>
std::unique_ptr<ConvBackend<bfloat16>> make_conv(const Stream& stream, const ConvShape& shape,
                                                 ConvPasses passes, ConvAlgorithm algorithm) {
  return make_cudnn_conv<bfloat16>(stream, shape, passes, algorithm);
}

}  // namespace basin::cuda
