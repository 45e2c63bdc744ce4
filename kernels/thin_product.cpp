#include "kernels/thin_product.h"

#include <algorithm>
#include <type_traits>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace {

// Inner products shorter than kShort are for the most part sums across a vector's lanes.
constexpr int64_t kNarrow = 16, kShort = 128;

// Blocks that fill the registers of the vector width: 32 of AVX-512, 16 otherwise. W: floats.
template <int W>
struct Block {
  static constexpr int inner_rows = W == 16 ? 4 : 2, inner_columns = 5;
  static constexpr int outer_rows = W == 16 ? 10 : 5, outer_vectors = 2;
};

// body(n as an integral_constant), 1 <= n <= Most.
template <int Most, class Body>
void with_constant(int64_t n, const Body& body) {
  if constexpr (Most > 1) {
    if (n < Most) return with_constant<Most - 1>(n, body);
  }
  body(std::integral_constant<int, Most>{});
}

// body(first, count as an integral_constant) over [0, n) in as few parts as Most allows, all of
// nearly the same count: 11 are 6 and 5, not 10 and 1.
template <int Most, class Body>
void in_even_parts(int64_t n, const Body& body) {
  int64_t first = 0;
  for (int64_t parts = ceil_div<int64_t>(n, Most); parts > 0; --parts) {
    const int64_t count = ceil_div(n - first, parts);
    with_constant<Most>(count, [&](auto constant) { body(first, constant); });
    first += count;
  }
}

// By reference: a vector that is wider than the baseline's has no way to be returned.
template <class V, class T>
const V& load(const T* p) {
  return *reinterpret_cast<const V*>(p);
}

template <class T, int N>
T total(const cpu::Vector<T, N>& v) {
  if constexpr (N == 2) {
    return v[0] + v[1];
  } else {
    const T* p = reinterpret_cast<const T*>(&v);
    using Half = cpu::Vector<T, N / 2>;
    return total<T, N / 2>(load<Half>(p) + load<Half>(p + N / 2));
  }
}

// c[r * c_row + j] (=, +=) sum over p of a[r * k + p] b[j * k + p], for R rows and C columns.
template <class T, int N, int R, int C>
void inner_block(const T* a, const T* b, int64_t k, T* c, int64_t c_row, Write mode) {
  using V = cpu::Vector<T, N>;
  V sum[R][C] = {};
  int64_t p = 0;
  for (; p + N <= k; p += N) {
    V x[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) x[r] = load<V>(a + r * k + p);
#pragma GCC unroll 5
    for (int j = 0; j < C; ++j) {
      const V w = load<V>(b + j * k + p);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) sum[r][j] += x[r] * w;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 5
    for (int j = 0; j < C; ++j) {
      T value = total<T, N>(sum[r][j]);
      for (int64_t q = p; q < k; ++q) value += a[r * k + q] * b[j * k + q];
      T& to = c[r * c_row + j];
      to = mode == Write::Accumulate ? to + value : value;
    }
  }
}

// c[i, j] (=, +=) sum over p of a[i, p] b[j, p] for the rows [begin, end).
template <class T, int W>
void inner_products(const GemmShape& s, int64_t begin, int64_t end, const T* a, const T* b, T* c,
                    Write mode) {
  constexpr int kN = W * int{sizeof(float)} / int{sizeof(T)}, kRows = Block<W>::inner_rows;
  const auto rows = [&](int64_t i, auto count) {
    in_even_parts<Block<W>::inner_columns>(s.n, [&](int64_t j, auto columns) {
      inner_block<T, kN, decltype(count)::value, decltype(columns)::value>(
          a + i * s.k, b + j * s.k, s.k, c + i * s.n + j, s.n, mode);
    });
  };
  int64_t i = begin;
  for (; i + kRows <= end; i += kRows) rows(i, std::integral_constant<int, kRows>{});
  for (; i < end; ++i) rows(i, std::integral_constant<int, 1>{});
}

// c[r * n + j] (=, +=) sum over p of op(a)[r, p] b[p * n + j], for R rows and C vectors of
// N columns.  a: element [r, p] at r * k + p, or, transposed, at p * m + r.
template <class T, int N, int R, int C, Transpose A>
void outer_block(const GemmShape& s, const T* a, const T* b, T* c, Write mode) {
  using V = cpu::Vector<T, N>;
  const int64_t row = A == Transpose::Yes ? 1 : s.k, step = A == Transpose::Yes ? s.m : 1;
  V sum[R][C] = {};
  for (int64_t p = 0; p < s.k; ++p) {
    V x[C];
#pragma GCC unroll 2
    for (int v = 0; v < C; ++v) x[v] = load<V>(b + p * s.n + v * N);
#pragma GCC unroll 10
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < C; ++v) sum[r][v] += a[r * row + p * step] * x[v];
    }
  }
#pragma GCC unroll 10
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < C; ++v) {
      T* to = c + r * s.n + v * N;
      *reinterpret_cast<V*>(to) = mode == Write::Accumulate ? load<V>(to) + sum[r][v] : sum[r][v];
    }
  }
}

// c[i, j] (=, +=) sum over p of op(a)[i, p] b[p, j] for the columns [begin, end). A row of b is
// read once for each block of rows, along the row.
template <class T, int W, Transpose A>
void outer_products(const GemmShape& s, int64_t begin, int64_t end, const T* a, const T* b, T* c,
                    Write mode) {
  constexpr int kN = W * int{sizeof(float)} / int{sizeof(T)}, kVectors = Block<W>::outer_vectors;
  in_even_parts<Block<W>::outer_rows>(s.m, [&](int64_t i, auto rows) {
    const T* from = a + i * (A == Transpose::Yes ? 1 : s.k);
    const auto block = [&]<int N, int C>(int64_t j) {
      outer_block<T, N, decltype(rows)::value, C, A>(s, from, b + j, c + i * s.n + j, mode);
    };
    int64_t j = begin;
    for (; j + kVectors * kN <= end; j += kVectors * kN) block.template operator()<kN, kVectors>(j);
    for (; j + kN <= end; j += kN) block.template operator()<kN, 1>(j);
    for (; j < end; ++j) block.template operator()<1, 1>(j);
  });
}

}  // namespace

bool thin_product_fits(const GemmShape& s) {
  return s.a == Transpose::No || s.b == Transpose::No;
}

bool thin_product_is_faster(const GemmShape& s) {
  if (!thin_product_fits(s)) return false;
  if (s.b == Transpose::Yes) return s.n <= kNarrow && s.k >= kShort;
  return s.m <= kNarrow || s.k <= kNarrow;
}

template <class T>
void thin_product(const Stream& stream, const GemmShape& s, const T* a, const T* b, T* c,
                  Write mode) {
  // So many flops are as soon done as so many bytes are moved; grains: whole blocks of the widest.
  const int64_t work = gemm_cost<T>(s).flops;
  if (s.b == Transpose::Yes) {
    cpu::parallel_ranges(stream, s.m, Block<16>::inner_rows, work, [&](int64_t begin, int64_t end) {
      cpu::vectorised_by_width(
          [&]<class W>(W) { inner_products<T, W::value>(s, begin, end, a, b, c, mode); });
    });
    return;
  }
  constexpr int64_t kGrain = Block<16>::outer_vectors * 2 * cpu::kLineBytes / int64_t{sizeof(T)};
  cpu::parallel_ranges(stream, s.n, kGrain, work, [&](int64_t begin, int64_t end) {
    if (s.a == Transpose::Yes) {
      cpu::vectorised_by_width([&]<class W>(W) {
        outer_products<T, W::value, Transpose::Yes>(s, begin, end, a, b, c, mode);
      });
    } else {
      cpu::vectorised_by_width([&]<class W>(W) {
        outer_products<T, W::value, Transpose::No>(s, begin, end, a, b, c, mode);
      });
    }
  });
}

template void thin_product(const Stream&, const GemmShape&, const float*, const float*, float*,
                           Write);
template void thin_product(const Stream&, const GemmShape&, const double*, const double*, double*,
                           Write);

}  // namespace basin
