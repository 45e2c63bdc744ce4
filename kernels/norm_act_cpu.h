// The row loops of the norms on a CPU: rows of c contiguous channels, taken in blocks of channels
// whose sums and coefficients stay in vector registers. To be called inside cpu::vectorised.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/lanes.h"
#include "kernels/norm_act.h"
#include "kernels/parallel.h"

namespace basin::cpu {

// For bfloat16, a processor that has instructions for it.
template <class T>
void require_type() {
  if constexpr (std::is_same_v<T, bfloat16>) require_bfloat16("[norm_act] x");
}

// Channels of a block: one AVX-512 vector of what is computed with.
template <class T>
inline constexpr int kLanes = kLineBytes / sizeof(Wide<T>);
// Rows whose blocks of channels are done in turn: few enough that a page of memory is used while it
// is near, and that a sum in float32 stays short before it joins float64.
template <class T>
inline int64_t chunk_rows(int64_t c) {
  constexpr int64_t kBytes = 32 * 1024, kLeast = 16, kMost = 256;
  return std::clamp<int64_t>(kBytes / (c * int64_t{sizeof(T)}), kLeast, kMost);
}
// Rows that give the first mean to deviate from. Deviations of the m next rows from the mean of k
// earlier ones cost the variance no more than a factor 1 + m / k of precision: chunks then grow by
// four.
inline constexpr int64_t kFirstRows = 16;

// body(integral_constant<lanes>, first channel) over [first, c): blocks of W, then of halves of W.
template <int W, class Body>
inline void for_blocks(int64_t first, int64_t c, const Body& body) {
  for (; first + W <= c; first += W) body(std::integral_constant<int, W>{}, first);
  if constexpr (W > 1) for_blocks<W / 2>(first, c, body);
}
// body(first row, rows) over [0, rows) in chunks of `first`, 4 `first`, ... rows, `most` at most.
template <class Body>
inline void for_chunks(int64_t rows, int64_t first, int64_t most, const Body& body) {
  int64_t chunk = first;
  for (int64_t begin = 0; begin < rows; begin += chunk, chunk = std::min(4 * chunk, most)) {
    body(begin, std::min(chunk, rows - begin));
  }
}

enum class With { Nothing, Residual };

// s = x, or x + residual, which is then also written.
template <With kWith, class T>
struct Operand {
  const T* x;
  const T* residual;
  T* sum;

  Operand from(int64_t offset) const {
    if constexpr (kWith == With::Nothing) return {x + offset, nullptr, nullptr};
    return {x + offset, residual + offset, sum + offset};
  }
  const T* values() const { return kWith == With::Residual ? sum : x; }  // of s, once passed
};

// s at W elements from `offset` on.
template <int W, With kWith, class T>
struct ReadLanes {
  Lanes<W, T> x, residual;
  ReadLanes(const Operand<kWith, T>& in, int64_t offset)
      : x(in.x + offset), residual((kWith == With::Nothing ? in.x : in.residual) + offset) {}
  Wide<T> operator[](int j) const {
    if constexpr (kWith == With::Nothing) return x[j];
    return x[j] + residual[j];
  }
};
// The same, and the sum is written where there is a residual; s is then as it will be read again.
template <int W, With kWith, class T>
struct PassedLanes {
  ReadLanes<W, kWith, T> in;
  T* sum;
  PassedLanes(const Operand<kWith, T>& in, int64_t offset)
      : in(in, offset), sum(kWith == With::Nothing ? nullptr : in.sum + offset) {}
  Wide<T> operator[](int j) const {
    const Wide<T> s = in[j];
    if constexpr (kWith == With::Nothing) return s;
    sum[j] = s;
    return sum[j];
  }
};
template <>
struct PassedLanes<16, With::Residual, bfloat16> : Lanes<16, bfloat16> {
  PassedLanes(const Operand<With::Residual, bfloat16>& in, int64_t offset)
      : Lanes(added(in, offset)) {}
  static const bfloat16* added(const Operand<With::Residual, bfloat16>& in, int64_t offset) {
    const ReadLanes<16, With::Residual, bfloat16> s(in, offset);
    WrittenLanes<16, bfloat16> sum(in.sum + offset);
#pragma omp simd
    for (int j = 0; j < 16; ++j) sum[j] = s[j];
    return in.sum + offset;
  }
};

// mean[j] of s over `rows` rows, c apart. Four rows at a time, as an addition takes four cycles.
template <int W, With kWith, class T>
inline void block_mean(int64_t rows, int64_t c, const Operand<kWith, T>& in, Wide<T>* mean) {
  using F = Wide<T>;
  F t0[W] = {}, t1[W] = {}, t2[W] = {}, t3[W] = {};
  int64_t r = 0;
  using Read = ReadLanes<W, kWith, T>;
  for (; r + 4 <= rows; r += 4) {
    const Read s0(in, r * c), s1(in, (r + 1) * c), s2(in, (r + 2) * c), s3(in, (r + 3) * c);
#pragma omp simd
    for (int j = 0; j < W; ++j) {
      t0[j] += s0[j];
      t1[j] += s1[j];
      t2[j] += s2[j];
      t3[j] += s3[j];
    }
  }
  for (; r < rows; ++r) {
    const Read s(in, r * c);
#pragma omp simd
    for (int j = 0; j < W; ++j) t0[j] += s[j];
  }
  const F reciprocal = F(1) / static_cast<F>(rows);
#pragma omp simd
  for (int j = 0; j < W; ++j) mean[j] = ((t0[j] + t1[j]) + (t2[j] + t3[j])) * reciprocal;
}

// first[j], second[j]: the sums over the rows of the deviations of s from mean[j] and of their
// squares.
template <int W, With kWith, class T>
inline void block_moments(int64_t rows, int64_t c, const Operand<kWith, T>& in, const Wide<T>* mean,
                          Wide<T>* first, Wide<T>* second) {
  using F = Wide<T>;
  using E = NormElement<F>;
  F m[W], d0[W] = {}, d1[W] = {}, d2[W] = {}, d3[W] = {}, q0[W] = {}, q1[W] = {}, q2[W] = {},
          q3[W] = {};
  for (int j = 0; j < W; ++j) m[j] = mean[j];
  int64_t r = 0;
  using Passed = PassedLanes<W, kWith, T>;
  for (; r + 4 <= rows; r += 4) {
    const Passed s0(in, r * c), s1(in, (r + 1) * c), s2(in, (r + 2) * c), s3(in, (r + 3) * c);
#pragma omp simd
    for (int j = 0; j < W; ++j) {
      E::moments(s0[j], m[j], d0[j], q0[j]);
      E::moments(s1[j], m[j], d1[j], q1[j]);
      E::moments(s2[j], m[j], d2[j], q2[j]);
      E::moments(s3[j], m[j], d3[j], q3[j]);
    }
  }
  for (; r < rows; ++r) {
    const Passed s(in, r * c);
#pragma omp simd
    for (int j = 0; j < W; ++j) E::moments(s[j], m[j], d0[j], q0[j]);
  }
#pragma omp simd
  for (int j = 0; j < W; ++j) {
    first[j] = (d0[j] + d1[j]) + (d2[j] + d3[j]);
    second[j] = (q0[j] + q1[j]) + (q2[j] + q3[j]);
  }
}

// mean[c] and m2[c] (the sum of squared deviations) of each channel over rows [0, rows).
template <With kWith, class T>
inline void channel_moments(int64_t rows, int64_t c, const Operand<kWith, T>& in, double* mean,
                            double* m2) {
  for (int64_t j = 0; j < c; ++j) mean[j] = m2[j] = 0;
  for_chunks(rows, kFirstRows, chunk_rows<T>(c), [&](int64_t begin, int64_t count) {
    const double before = static_cast<double>(begin), now = static_cast<double>(count);
    const double weight = now / (before + now), reciprocal = 1 / now;
    for_blocks<kLanes<T>>(0, c, [&](auto lanes, int64_t first) {
      constexpr int W = lanes;
      const Operand<kWith, T> block = in.from(begin * c + first);
      Wide<T> from[W], d[W], q[W];
      if (begin == 0) {
        block_mean<W>(count, c, block, from);
      } else {
        for (int j = 0; j < W; ++j) from[j] = static_cast<Wide<T>>(mean[first + j]);
      }
      block_moments<W>(count, c, block, from, d, q);
#pragma omp simd
      for (int j = 0; j < W; ++j) {
        const double shift = static_cast<double>(d[j]) * reciprocal;
        const double delta = static_cast<double>(from[j]) + shift - mean[first + j];
        mean[first + j] += delta * weight;
        m2[first + j] += static_cast<double>(q[j]) - static_cast<double>(d[j]) * shift +
                         delta * delta * before * weight;
      }
    });
  });
}

// What every later pass reads of each channel: [c] each.
template <class F>
struct ChannelParameters {
  const F *mean, *rstd, *gamma, *beta;
  F floor;
};

// y = act(norm(s)) over rows [0, rows); sum is written where there is a residual.
template <With kWith, class T>
inline void normalise(int64_t rows, int64_t c, const Operand<kWith, T>& in,
                      const ChannelParameters<Wide<T>>& p, T* y) {
  const int64_t chunk = chunk_rows<T>(c);
  for_chunks(rows, chunk, chunk, [&](int64_t begin, int64_t count) {
    for_blocks<kLanes<T>>(0, c, [&](auto lanes, int64_t first) {
      constexpr int W = lanes;
      const Operand<kWith, T> block = in.from(begin * c + first);
      T* out = y + begin * c + first;
      Wide<T> mean[W], scale[W], shift[W];
#pragma omp simd
      for (int j = 0; j < W; ++j) {
        mean[j] = p.mean[first + j];
        scale[j] = p.gamma[first + j] * p.rstd[first + j];
        shift[j] = p.beta[first + j];
      }
      for (int64_t r = 0; r < count; ++r) {
        const PassedLanes<W, kWith, T> values(block, r * c);
        WrittenLanes<W, T> to(out + r * c);
#pragma omp simd
        for (int j = 0; j < W; ++j) {
          to[j] = NormElement<Wide<T>>::forward(values[j], mean[j], scale[j], shift[j], p.floor);
        }
      }
    });
  });
}

// a[c], b[c]: the sums over rows [0, rows) of dy and of dy * (s - mean), dy masked.
template <class T>
inline void gradient_sums(int64_t rows, int64_t c, const T* dy, const T* s,
                          const ChannelParameters<Wide<T>>& p, double* a, double* b) {
  using E = NormElement<Wide<T>>;
  for (int64_t j = 0; j < c; ++j) a[j] = b[j] = 0;
  const int64_t chunk = chunk_rows<T>(c);
  for_chunks(rows, chunk, chunk, [&](int64_t begin, int64_t count) {
    for_blocks<kLanes<T>>(0, c, [&](auto lanes, int64_t first) {
      constexpr int W = lanes;
      const T* g = dy + begin * c + first;
      const T* v = s + begin * c + first;
      Wide<T> mean[W], scale[W], shift[W], a0[W] = {}, a1[W] = {}, b0[W] = {}, b1[W] = {};
#pragma omp simd
      for (int j = 0; j < W; ++j) {
        mean[j] = p.mean[first + j];
        scale[j] = p.gamma[first + j] * p.rstd[first + j];
        shift[j] = p.beta[first + j];
      }
      int64_t r = 0;
      for (; r + 2 <= count; r += 2) {
        const Lanes<W, T> g0(g + r * c), v0(v + r * c), g1(g + (r + 1) * c), v1(v + (r + 1) * c);
#pragma omp simd
        for (int j = 0; j < W; ++j) {
          E::sums(g0[j], v0[j], mean[j], scale[j], shift[j], p.floor, a0[j], b0[j]);
          E::sums(g1[j], v1[j], mean[j], scale[j], shift[j], p.floor, a1[j], b1[j]);
        }
      }
      for (; r < count; ++r) {
        const Lanes<W, T> g0(g + r * c), v0(v + r * c);
#pragma omp simd
        for (int j = 0; j < W; ++j) {
          E::sums(g0[j], v0[j], mean[j], scale[j], shift[j], p.floor, a0[j], b0[j]);
        }
      }
#pragma omp simd
      for (int j = 0; j < W; ++j) {
        a[first + j] += static_cast<double>(a0[j] + a1[j]);
        b[first + j] += static_cast<double>(b0[j] + b1[j]);
      }
    });
  });
}

// ds (=, +=) scale * dy - (offset + slope * (s - mean)), dy masked; offset, slope: [c].
template <Write kMode, class T>
inline void backward_rows(int64_t rows, int64_t c, const T* dy, const T* s,
                          const ChannelParameters<Wide<T>>& p, const Wide<T>* offset,
                          const Wide<T>* slope, T* ds) {
  const int64_t chunk = chunk_rows<T>(c);
  for_chunks(rows, chunk, chunk, [&](int64_t begin, int64_t count) {
    for_blocks<kLanes<T>>(0, c, [&](auto lanes, int64_t first) {
      constexpr int W = lanes;
      const T* g = dy + begin * c + first;
      const T* v = s + begin * c + first;
      T* out = ds + begin * c + first;
      Wide<T> mean[W], scale[W], shift[W], k2[W], k3[W];
#pragma omp simd
      for (int j = 0; j < W; ++j) {
        mean[j] = p.mean[first + j];
        scale[j] = p.gamma[first + j] * p.rstd[first + j];
        shift[j] = p.beta[first + j];
        k2[j] = offset[first + j];
        k3[j] = slope[first + j];
      }
      for (int64_t r = 0; r < count; ++r) {
        const Lanes<W, T> dys(g + r * c), values(v + r * c), before(out + r * c);
        WrittenLanes<W, T> to(out + r * c);
#pragma omp simd
        for (int j = 0; j < W; ++j) {
          const Wide<T> value = NormElement<Wide<T>>::backward(dys[j], values[j], mean[j], scale[j],
                                                               shift[j], p.floor, k2[j], k3[j]);
          to[j] = kMode == Write::Overwrite ? value : before[j] + value;
        }
      }
    });
  });
}
template <class T>
inline void backward_rows(int64_t rows, int64_t c, const T* dy, const T* s,
                          const ChannelParameters<Wide<T>>& p, const Wide<T>* offset,
                          const Wide<T>* slope, T* ds, Write mode) {
  if (mode == Write::Overwrite) {
    backward_rows<Write::Overwrite>(rows, c, dy, s, p, offset, slope, ds);
  } else {
    backward_rows<Write::Accumulate>(rows, c, dy, s, p, offset, slope, ds);
  }
}

template <class T>
inline void store(T& out, T value, Write mode) {
  out = mode == Write::Overwrite ? value : out + value;
}

// body(part, begin, end) over [0, n) in `parts` equal runs, a thread each. Results depend on the
// number of parts, not on the threads that the runtime grants.
template <class Body>
void for_parts(int parts, int64_t n, const Body& body) {
  if (parts == 1) return body(0, int64_t{0}, n);
#pragma omp parallel for num_threads(parts) schedule(static, 1)
  for (int part = 0; part < parts; ++part) body(part, n * part / parts, n * (part + 1) / parts);
}
inline int parts_of(const Stream& stream, int64_t n, int64_t bytes) {
  if (bytes < kParallelBytes) return 1;
  return static_cast<int>(std::clamp<int64_t>(n, 1, stream.threads()));
}

}  // namespace basin::cpu
