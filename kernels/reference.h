// What convolution and matrix product mean: plain loops, in any T. They are the CPU's float64
// backend, the float32 one where oneDNN has nothing fit, and the oracle of the tests.
//
// Each loop nest computes one "row" of its result; rows are spread over the stream's threads and
// compiled for the machine's vector width. Every element is summed in one order, whatever the
// thread count. Shapes are in conv.h and gemm.h.
#pragma once

#include <algorithm>

#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin::reference {

// row(r) for r in [0, rows), `work` flops in all.
template <class Row>
void for_each_row(const Stream& stream, int64_t rows, int64_t work, const Row& row) {
  cpu::parallel_ranges(stream, rows, 1, work, [&](int64_t begin, int64_t end) {
    cpu::vectorised([&] {
      for (int64_t r = begin; r < end; ++r) row(r);
    });
  });
}

// A kernel's row and the pixels under it are both contiguous, element j = kw * c_in + ci. For
// output column ow this is the part of it that lies on the image, and where in the image's row
// its first element is.
struct Run {
  int64_t begin, end, at;
};
inline Run run_at(const ConvShape& s, int64_t ow) {
  const int64_t first = (ow * s.stride - s.padding) * s.c_in;
  const int64_t begin = std::max<int64_t>(0, -first);
  return {begin, std::min(s.kernel * s.c_in, s.w * s.c_in - first), first + begin};
}

template <class T>
T dot(const T* a, const T* b, int64_t n, int64_t a_step = 1) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += a[i * a_step] * b[i];
  return sum;
}

// y[n, oh, ow, co] = the sum of x[n, ih, iw, ci] w[co, kh, kw, ci] over kh, kw and ci, where
// ih = oh stride + kh - padding and iw = ow stride + kw - padding, zero outside the image
template <class T>
void conv_forward(const Stream& stream, const ConvShape& s, const T* x, const T* w, T* y) {
  const int64_t h_out = s.h_out(), w_out = s.w_out(), kernel_row = s.kernel * s.c_in;
  for_each_row(stream, s.n * h_out, conv_cost<T>(s).flops, [=](int64_t row) {  // row: (n, oh)
    const int64_t image = row / h_out, oh = row % h_out;
    T* y_row = y + row * w_out * s.c_out;
    std::fill(y_row, y_row + w_out * s.c_out, T(0));
    for (int64_t kh = 0; kh < s.kernel; ++kh) {
      const int64_t ih = oh * s.stride + kh - s.padding;
      if (ih < 0 || ih >= s.h) continue;
      const T* x_row = x + (image * s.h + ih) * s.w * s.c_in;
      for (int64_t ow = 0; ow < w_out; ++ow) {
        const Run run = run_at(s, ow);
        for (int64_t co = 0; co < s.c_out; ++co) {
          const T* w_row = w + (co * s.kernel + kh) * kernel_row;
          y_row[ow * s.c_out + co] += dot(x_row + run.at, w_row + run.begin, run.end - run.begin);
        }
      }
    }
  });
}

// dx[n, ih, iw, ci] (=, +=) the sum of dy[n, oh, ow, co] w[co, kh, kw, ci] over co and over every
// oh, ow, kh, kw that meet at ih, iw as above
template <class T>
void conv_backward_data(const Stream& stream, const ConvShape& s, const T* dy, const T* w, T* dx,
                        Write mode) {
  const int64_t h_out = s.h_out(), w_out = s.w_out(), kernel_row = s.kernel * s.c_in;
  for_each_row(stream, s.n * s.h, conv_cost<T>(s).flops, [=](int64_t row) {  // row: (n, ih)
    const int64_t image = row / s.h, ih = row % s.h;
    T* dx_row = dx + row * s.w * s.c_in;
    if (mode == Write::Overwrite) std::fill(dx_row, dx_row + s.w * s.c_in, T(0));
    for (int64_t kh = 0; kh < s.kernel; ++kh) {
      const int64_t top = ih + s.padding - kh;
      if (top < 0 || top % s.stride != 0 || top / s.stride >= h_out) continue;
      const T* dy_row = dy + (image * h_out + top / s.stride) * w_out * s.c_out;
      for (int64_t ow = 0; ow < w_out; ++ow) {
        const Run run = run_at(s, ow);
        T* to = dx_row + run.at;
        for (int64_t co = 0; co < s.c_out; ++co) {
          const T g = dy_row[ow * s.c_out + co];
          const T* w_row = w + (co * s.kernel + kh) * kernel_row + run.begin;
          for (int64_t j = 0; j < run.end - run.begin; ++j) to[j] += g * w_row[j];
        }
      }
    }
  });
}

// dw[co, kh, kw, ci] (=, +=) the sum of dy[n, oh, ow, co] x[n, ih, iw, ci] over n, oh and ow. It
// has as many terms as the batch has positions, so it is summed in float64.
template <class T>
void conv_backward_filter(const Stream& stream, const ConvShape& s, const T* x, const T* dy, T* dw,
                          Write mode) {
  constexpr int64_t kOuts = 4, kRun = 64;  // so many sums at a time: 2 KiB
  const int64_t h_out = s.h_out(), w_out = s.w_out(), kernel_row = s.kernel * s.c_in;
  const int64_t runs = ceil_div(kernel_row, kRun);
  const int64_t rows = ceil_div(s.c_out, kOuts) * s.kernel * runs;
  for_each_row(
      stream, rows, conv_cost<T>(s).flops,
      [=](int64_t row) {  // row: (kOuts of co, kh, kRun of (kw, ci))
        const int64_t j0 = row % runs * kRun, j1 = std::min(kernel_row, j0 + kRun);
        const int64_t kh = row / runs % s.kernel;
        const int64_t co0 = row / runs / s.kernel * kOuts, outs = std::min(kOuts, s.c_out - co0);
        double sum[kOuts][kRun] = {};
        for (int64_t image = 0; image < s.n; ++image) {
          for (int64_t oh = 0; oh < h_out; ++oh) {
            const int64_t ih = oh * s.stride + kh - s.padding;
            if (ih < 0 || ih >= s.h) continue;
            const T* x_row = x + (image * s.h + ih) * s.w * s.c_in;
            const T* dy_row = dy + (image * h_out + oh) * w_out * s.c_out + co0;
            for (int64_t ow = 0; ow < w_out; ++ow) {
              const Run run = run_at(s, ow);
              const int64_t begin = std::max(j0, run.begin), end = std::min(j1, run.end);
              const T* from = x_row + (run.at + begin - run.begin);
              for (int64_t o = 0; o < outs; ++o) {
                const double g = dy_row[ow * s.c_out + o];
                double* to = sum[o] + (begin - j0);
                for (int64_t j = 0; j < end - begin; ++j) to[j] += g * from[j];
              }
            }
          }
        }
        for (int64_t o = 0; o < outs; ++o) {
          T* to = dw + ((co0 + o) * s.kernel + kh) * kernel_row + j0;
          for (int64_t j = 0; j < j1 - j0; ++j) {
            to[j] = static_cast<T>(mode == Write::Accumulate ? to[j] + sum[o][j] : sum[o][j]);
          }
        }
      });
}

// c[i, j] (=, +=) sum over p of op(a)[i, p] op(b)[p, j]
template <class T>
void gemm(const Stream& stream, const GemmShape& s, const T* a, const T* b, T* c, Write mode) {
  constexpr int64_t kRows = 4, kColumns = 32;  // a tile of c, summed in registers or near them
  const int64_t a_row = s.a == Transpose::No ? s.k : 1, a_step = s.a == Transpose::No ? 1 : s.m;
  const int64_t tiles = ceil_div(s.n, kColumns);
  for_each_row(stream, ceil_div(s.m, kRows) * tiles, gemm_cost<T>(s).flops, [=](int64_t row) {
    const int64_t i0 = row / tiles * kRows, rows = std::min(kRows, s.m - i0);
    const int64_t j0 = row % tiles * kColumns, columns = std::min(kColumns, s.n - j0);
    T sum[kRows][kColumns] = {};
    if (s.b == Transpose::No) {
      for (int64_t p = 0; p < s.k; ++p) {
        const T* b_row = b + p * s.n + j0;
        for (int64_t i = 0; i < rows; ++i) {
          const T scale = a[(i0 + i) * a_row + p * a_step];
          for (int64_t j = 0; j < columns; ++j) sum[i][j] += scale * b_row[j];
        }
      }
    } else {
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) {
          const T *from_a = a + (i0 + i) * a_row, *from_b = b + (j0 + j) * s.k;
          sum[i][j] = a_step == 1 ? dot(from_a, from_b, s.k) : dot(from_a, from_b, s.k, a_step);
        }
      }
    }
    for (int64_t i = 0; i < rows; ++i) {
      T* to = c + (i0 + i) * s.n + j0;
      for (int64_t j = 0; j < columns; ++j) {
        to[j] = mode == Write::Accumulate ? to[j] + sum[i][j] : sum[i][j];
      }
    }
  });
}

}  // namespace basin::reference
