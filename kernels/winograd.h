// Winograd convolution on a CPU (Lavin and Gray 2015): 3x3, stride 1 or 2, padding 1, NHWC,
// float32. A 4x4 tile of y needs 36 products for each pair of channels instead of 144, at stride 2
// it needs
// 81. README.md derives it; the error is about five times the direct convolution's.
#pragma once

#include "kernels/conv_backend.h"

namespace basin {

// Whole lanes of 16 channels on both sides: else the direct convolution is faster, or the only one.
bool winograd_fits(const ConvShape& shape);
bool winograd_is_faster(const ConvShape& shape);  // than the direct convolution, where it fits
std::unique_ptr<ConvBackend<float>> make_winograd_conv(const Stream& stream, const ConvShape& shape,
                                                       ConvPasses passes);

}  // namespace basin
