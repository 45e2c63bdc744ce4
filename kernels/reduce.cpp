// Reductions on a CPU. Every partial sum covers a fixed block, whatever the thread count; threads
// only share the blocks out.
#include "kernels/reduce.h"

#include <algorithm>

#include "kernels/has_cuda.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {
namespace {

// One block of `count` <= kReduceBlock elements. A whole block runs as four sums at once, a
// quarter each: one sum would wait for the latency of its additions.
template <class Term, class T>
double block_partial(const T* x, int64_t count) {
  double total = 0;
  if (count == kReduceBlock) {
    constexpr int64_t q = kReduceBlock / 4;
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (int64_t i = 0; i < q; ++i) {
      s0 = Term::add(s0, x[i]);
      s1 = Term::add(s1, x[i + q]);
      s2 = Term::add(s2, x[i + 2 * q]);
      s3 = Term::add(s3, x[i + 3 * q]);
    }
    total = (s0 + s1) + (s2 + s3);
  } else {
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < count; ++i) total = Term::add(total, x[i]);
  }
  return total;
}

// The partials joined pairwise, in place; the result is partials[0].
double tree(double* partials, int64_t count) {
  for (int64_t width = 1; width < count; width *= 2) {
    for (int64_t i = 0; i + width < count; i += 2 * width) partials[i] += partials[i + width];
  }
  return count > 0 ? partials[0] : 0.0;
}

template <class Term, class T>
void reduce(const Stream& stream, ParameterGroups groups, int64_t n, const T* x, double* partials,
            double* results) {
  const int64_t blocks = reduce_partials(n);
  const int64_t bytes = element_cost<Term, T>(groups.count * n).bytes();
  parallel_ranges(stream, groups.count * blocks, 1, bytes, [&](int64_t begin, int64_t end) {
    vectorised([=]() {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b % blocks * kReduceBlock;
        partials[b] = block_partial<Term>(x + b / blocks * groups.stride + first,
                                          std::min(kReduceBlock, n - first));
      }
    });
  });
  for (int64_t g = 0; g < groups.count; ++g) results[g] = tree(partials + g * blocks, blocks);
}

// Columns that are summed together: their running sums stay in the first-level cache.
constexpr int64_t kColumnTile = 256;

// to[c] = sum of rows x[r, c] for c in [0, width), rows in order.
template <class T>
void sum_rows(const T* x, int64_t stride, int64_t rows, int64_t width, T* to) {
  vectorised([=]() {
    T total[kColumnTile];
    for (int64_t c = 0; c < width; ++c) total[c] = x[c];
    for (int64_t r = 1; r < rows; ++r) {
      const T* row = x + r * stride;
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) total[c] += row[c];
    }
    for (int64_t c = 0; c < width; ++c) to[c] = total[c];
  });
}

// sums[c] (=, +=) the sum over the blocks of rows, for c in [0, width).
template <class T>
void join_blocks(const T* partials, int64_t stride, int64_t blocks, int64_t width, T* sums,
                 Write mode) {
  vectorised([=]() {
    double total[kColumnTile] = {};
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t c = 0; c < width; ++c) total[c] += static_cast<double>(partials[b * stride + c]);
    }
    for (int64_t c = 0; c < width; ++c) {
      const T value = static_cast<T>(total[c]);
      sums[c] = mode == Write::Overwrite ? value : sums[c] + value;
    }
  });
}

template <class T>
void column_sum(const Stream& stream, int64_t rows, int64_t columns, const T* x, T* partials,
                T* sums, Write mode, ParameterGroups groups) {
  const int64_t each = rows / groups.count;
  const int64_t blocks = ceil_div(each, kColumnRows), tiles = ceil_div(columns, kColumnTile);
  const int64_t bytes = element_cost<PlainTerm, T>(rows * columns).bytes();
  const int64_t all = groups.count * blocks;
  parallel_ranges(stream, all * tiles, 1, bytes, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t block = task / tiles, c = task % tiles * kColumnTile;
      const int64_t row = block % blocks * kColumnRows;  // of the group's
      sum_rows(x + (block / blocks * each + row) * columns + c, columns,
               std::min(kColumnRows, each - row), std::min(kColumnTile, columns - c),
               partials + block * columns + c);
    }
  });
  parallel_ranges(stream, groups.count * tiles, 1, all * columns * int64_t{sizeof(T)},
                  [&](int64_t begin, int64_t end) {
                    for (int64_t task = begin; task < end; ++task) {
                      const int64_t group = task / tiles, c = task % tiles * kColumnTile;
                      join_blocks(partials + group * blocks * columns + c, columns, blocks,
                                  std::min(kColumnTile, columns - c),
                                  sums + group * groups.stride + c, mode);
                    }
                  });
}

// Elements of `out` that stay in the first-level cache while every part is added to them.
constexpr int64_t kPartsTile = 2048;

template <class T>
void sum_parts(const Stream& stream, int64_t n, const T* const* parts, int count, double decay,
               const T* w, T* out) {
  const T lambda = static_cast<T>(decay);
  const int64_t bytes = n * (count + 1 + (w != nullptr ? 1 : 0)) * int64_t{sizeof(T)};
  parallel_ranges(stream, n, kPartsTile, bytes, [&](int64_t first, int64_t last) {
    vectorised([=]() {
      for (int64_t begin = first; begin < last; begin += kPartsTile) {
        const int64_t end = std::min(last, begin + kPartsTile);
        const T* head = parts[0];
        int k = 1;
        if (count > 1) {
          const T* second = parts[k++];
#pragma omp simd
          for (int64_t i = begin; i < end; ++i) out[i] = head[i] + second[i];
        } else if (head != out) {
          std::copy(head + begin, head + end, out + begin);
        }
        for (; k < count; ++k) {
          const T* part = parts[k];
#pragma omp simd
          for (int64_t i = begin; i < end; ++i) out[i] += part[i];
        }
        if (w == nullptr) continue;
#pragma omp simd
        for (int64_t i = begin; i < end; ++i) out[i] += lambda * w[i];
      }
    });
  });
}

}  // namespace
}  // namespace cpu

template <class T>
void squared_norm(const Stream& stream, int64_t n, const T* x, double* partials, double* result) {
  squared_norms(stream, {}, n, x, partials, result);
}

template <class T>
void squared_norms(const Stream& stream, ParameterGroups groups, int64_t n, const T* x,
                   double* partials, double* results) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::squared_norms(stream, groups, n, x, partials, results);
  }
  cpu::reduce<SquareTerm>(stream, groups, n, x, partials, results);
}

template <class T>
void sum(const Stream& stream, int64_t n, const T* x, double* partials, double* result) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::sum(stream, n, x, partials, result);
  }
  cpu::reduce<PlainTerm>(stream, {}, n, x, partials, result);
}

template <class T>
void column_sum(const Stream& stream, int64_t rows, int64_t columns, const T* x, T* partials,
                T* sums, Write mode, ParameterGroups groups) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::column_sum(stream, rows, columns, x, partials, sums, mode, groups);
    }
  }
  cpu::column_sum(stream, rows, columns, x, partials, sums, mode, groups);
}

template <class T>
void sum_parts(const Stream& stream, int64_t n, const T* const* parts, int count, double decay,
               const T* w, T* out) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::sum_parts(stream, n, parts, count, decay, w, out);
  }
  cpu::sum_parts(stream, n, parts, count, decay, w, out);
}

#define BASIN_INSTANTIATE_REDUCE(T)                                                       \
  template void squared_norm(const Stream&, int64_t, const T*, double*, double*);         \
  template void squared_norms(const Stream&, ParameterGroups, int64_t, const T*, double*, \
                              double*);                                                   \
  template void sum(const Stream&, int64_t, const T*, double*, double*);                  \
  template void column_sum(const Stream&, int64_t, int64_t, const T*, T*, T*, Write,      \
                           ParameterGroups);                                              \
  template void sum_parts(const Stream&, int64_t, const T* const*, int, double, const T*, T*);

BASIN_INSTANTIATE_REDUCE(float)
BASIN_INSTANTIATE_REDUCE(double)

}  // namespace basin
