// Which of cuDNN's engines runs a pass of a convolution: chosen when it is first recorded on a
// stream, and kept with the stream.
#pragma once

#include "kernels/cudnn.h"

namespace basin::cuda {

// The first plan that fits; for ConvAlgorithm::Measured the fastest of all that fit.
std::shared_ptr<const ConvPlan> conv_plan(const Stream& stream, const ConvShape& shape,
                                          ConvPass pass, ConvElement element,
                                          ConvAlgorithm algorithm);

}  // namespace basin::cuda
