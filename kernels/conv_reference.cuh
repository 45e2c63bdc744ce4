// The loops of reference.h as bodies, one thread an element of the result: float64 on CUDA, where
// cuDNN is not to be relied on. Each element is summed in one order, by one thread.
#pragma once

#include <cstdint>

#include "kernels/block.h"
#include "kernels/conv.h"

namespace basin {

// element(i) for each i of n that falls to this thread.
template <class Block, class Element>
BASIN_DEVICE void for_each_element(Block& block, int64_t n, const Element& element) {
  const int64_t stride = block.num_blocks() * block.num_threads();
  for (int64_t i = block.block_rank() * block.num_threads() + block.thread_rank(); i < n;
       i += stride) {
    element(i);
  }
}

// y[n, oh, ow, co] = the sum of x[n, ih, iw, ci] w[co, kh, kw, ci] over kh, kw and ci, where
// ih = oh stride + kh - padding and iw = ow stride + kw - padding, zero outside the image.
// Narrow accesses: it is read to be understood, and need not be fast.
template <class T>
struct ConvForwardBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, ConvShape s, const T* x, const T* w,
                               T* y) const {
    const int64_t h_out = s.h_out(), w_out = s.w_out();
    for_each_element(block, s.output_size(), [&](int64_t i) {
      const int64_t co = i % s.c_out, ow = i / s.c_out % w_out;
      const int64_t oh = i / s.c_out / w_out % h_out, image = i / s.c_out / w_out / h_out;
      T sum = 0;
      for (int64_t kh = 0; kh < s.kernel; ++kh) {
        const int64_t ih = oh * s.stride + kh - s.padding;
        if (ih < 0 || ih >= s.h) continue;
        for (int64_t kw = 0; kw < s.kernel; ++kw) {
          const int64_t iw = ow * s.stride + kw - s.padding;
          if (iw < 0 || iw >= s.w) continue;
          const T* pixel = x + ((image * s.h + ih) * s.w + iw) * s.c_in;
          const T* tap = w + ((co * s.kernel + kh) * s.kernel + kw) * s.c_in;
          for (int64_t ci = 0; ci < s.c_in; ++ci) sum += pixel[ci] * tap[ci];
        }
      }
      y[i] = sum;
    });
  }
};

// dx[n, ih, iw, ci] (=, +=) the sum of dy[n, oh, ow, co] w[co, kh, kw, ci] over co and over every
// oh, ow, kh, kw that meet at ih, iw as above.
// Narrow accesses: it is read to be understood, and need not be fast.
template <class T>
struct ConvBackwardDataBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, ConvShape s, const T* dy, const T* w, T* dx,
                               Write mode) const {
    const int64_t h_out = s.h_out(), w_out = s.w_out();
    const int64_t filter = s.kernel * s.kernel * s.c_in;
    for_each_element(block, s.input_size(), [&](int64_t i) {
      const int64_t ci = i % s.c_in, iw = i / s.c_in % s.w;
      const int64_t ih = i / s.c_in / s.w % s.h, image = i / s.c_in / s.w / s.h;
      T sum = 0;
      for (int64_t kh = 0; kh < s.kernel; ++kh) {
        const int64_t top = ih + s.padding - kh;
        if (top < 0 || top % s.stride != 0 || top / s.stride >= h_out) continue;
        for (int64_t kw = 0; kw < s.kernel; ++kw) {
          const int64_t left = iw + s.padding - kw;
          if (left < 0 || left % s.stride != 0 || left / s.stride >= w_out) continue;
          const T* g = dy + ((image * h_out + top / s.stride) * w_out + left / s.stride) * s.c_out;
          const T* tap = w + (kh * s.kernel + kw) * s.c_in + ci;
          for (int64_t co = 0; co < s.c_out; ++co) sum += g[co] * tap[co * filter];
        }
      }
      dx[i] = mode == Write::Overwrite ? sum : dx[i] + sum;
    });
  }
};

// dw[co, kh, kw, ci] (=, +=) the sum of dy[n, oh, ow, co] x[n, ih, iw, ci] over n, oh and ow.
// Narrow accesses: it is read to be understood, and need not be fast.
template <class T>
struct ConvBackwardFilterBody {
  struct Shared {};
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared&, ConvShape s, const T* x, const T* dy, T* dw,
                               Write mode) const {
    const int64_t h_out = s.h_out(), w_out = s.w_out();
    for_each_element(block, s.weight_size(), [&](int64_t i) {
      const int64_t ci = i % s.c_in, kw = i / s.c_in % s.kernel;
      const int64_t kh = i / s.c_in / s.kernel % s.kernel, co = i / s.c_in / s.kernel / s.kernel;
      T sum = 0;
      for (int64_t image = 0; image < s.n; ++image) {
        for (int64_t oh = 0; oh < h_out; ++oh) {
          const int64_t ih = oh * s.stride + kh - s.padding;
          if (ih < 0 || ih >= s.h) continue;
          for (int64_t ow = 0; ow < w_out; ++ow) {
            const int64_t iw = ow * s.stride + kw - s.padding;
            if (iw < 0 || iw >= s.w) continue;
            sum += dy[((image * h_out + oh) * w_out + ow) * s.c_out + co] *
                   x[((image * s.h + ih) * s.w + iw) * s.c_in + ci];
          }
        }
      }
      dw[i] = mode == Write::Overwrite ? sum : dw[i] + sum;
    });
  }
};

}  // namespace basin
