// The CUDA side of the loops: float64's backend there.
#include "kernels/conv_reference.cuh"

#include "kernels/conv_backend.h"
#include "kernels/launch.cuh"

namespace basin::cuda {

void conv_forward(const Stream& stream, const ConvShape& s, const double* x, const double* w,
                  double* y) {
  launch<ConvForwardBody<double>>(stream, "conv_forward", grid_for(stream, s.output_size()), s, x,
                                  w, y);
}

void conv_backward_data(const Stream& stream, const ConvShape& s, const double* dy, const double* w,
                        double* dx, Write mode) {
  launch<ConvBackwardDataBody<double>>(stream, "conv_backward_data",
                                       grid_for(stream, s.input_size()), s, dy, w, dx, mode);
}

void conv_backward_filter(const Stream& stream, const ConvShape& s, const double* x,
                          const double* dy, double* dw, Write mode) {
  launch<ConvBackwardFilterBody<double>>(stream, "conv_backward_filter",
                                         grid_for(stream, s.weight_size()), s, x, dy, dw, mode);
}

}  // namespace basin::cuda
