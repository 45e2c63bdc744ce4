// Average pooling, NHWC, without padding; a global pool is a window of the whole image.
#pragma once

#include "kernels/bfloat16.h"
#include "kernels/stream.h"

namespace basin {

struct PoolShape {
  int64_t n, h, w, c;
  int64_t window, stride;  // window <= h and w
  BASIN_HD int64_t h_out() const { return (h - window) / stride + 1; }
  BASIN_HD int64_t w_out() const { return (w - window) / stride + 1; }
};

// y[n, h_out, w_out, c] = mean of x over each window.  x: [n, h, w, c].
template <class T>
void average_pool_forward(const Stream& stream, const PoolShape& shape, const T* x, T* y);
// dx (=, +=); overlapping windows add up; positions under no window get 0.
template <class T>
void average_pool_backward(const Stream& stream, const PoolShape& shape, const T* dy, T* dx,
                           Write mode);

// y[n, c] = mean over positions.  x: [n, positions, c]. Of bfloat16 the mean is a float.
template <class T>
void global_pool_forward(const Stream& stream, int64_t n, int64_t positions, int64_t c, const T* x,
                         Wide<T>* y);
template <class T>
void global_pool_backward(const Stream& stream, int64_t n, int64_t positions, int64_t c,
                          const Wide<T>* dy, T* dx, Write mode);

namespace cuda {
template <class T>
void average_pool_forward(const Stream& stream, const PoolShape& shape, const T* x, T* y);
template <class T>
void average_pool_backward(const Stream& stream, const PoolShape& shape, const T* dy, T* dx,
                           Write mode);
template <class T>
void global_pool_forward(const Stream& stream, int64_t n, int64_t positions, int64_t c, const T* x,
                         Wide<T>* y);
template <class T>
void global_pool_backward(const Stream& stream, int64_t n, int64_t positions, int64_t c,
                          const Wide<T>* dy, T* dx, Write mode);
}  // namespace cuda

}  // namespace basin
