// The one-dimensional transforms of Winograd's F(4, 3) at the points 0, 1, -1, 2, -2 and infinity
// (Lavin and Gray 2015, section 4.3). A tile is transformed down its columns, then along its rows.
// A Value is a scalar or a vector of channels.
#pragma once

namespace basin::winograd {

inline constexpr int kOut = 4;                  // the side of a tile of y
inline constexpr int kIn = 6;                   // the side of the tile of x that it reads
inline constexpr int kFrequencies = kIn * kIn;  // of a transformed tile

// Six values of x: B^T d.
template <class Value>
inline void transform_input(const Value (&d)[6], Value (&f)[6]) {
  const Value a = d[4] - 4.0F * d[2], b = d[3] - 4.0F * d[1];
  const Value c = d[4] - d[2], e = 2.0F * (d[3] - d[1]);
  f[0] = 4.0F * d[0] - 5.0F * d[2] + d[4];
  f[1] = a + b;
  f[2] = a - b;
  f[3] = c + e;
  f[4] = c - e;
  f[5] = 4.0F * d[1] - 5.0F * d[3] + d[5];
}

// Three weights: G g.
template <class Value>
inline void transform_weights(const Value (&g)[3], Value (&f)[6]) {
  const Value s = (g[0] + g[2]) * (-1.0F / 6), t = g[0] * (1.0F / 24) + g[2] * (1.0F / 6);
  f[0] = g[0] * 0.25F;
  f[1] = s - g[1] * (1.0F / 6);
  f[2] = s + g[1] * (1.0F / 6);
  f[3] = t + g[1] * (1.0F / 12);
  f[4] = t - g[1] * (1.0F / 12);
  f[5] = g[2];
}

// Six products to four values of y: A^T m.
template <class Value>
inline void transform_output(const Value (&m)[6], Value (&y)[4]) {
  const Value s = m[1] + m[2], d = m[1] - m[2], t = m[3] + m[4], e = m[3] - m[4];
  y[0] = m[0] + s + t;
  y[1] = d + 2.0F * e;
  y[2] = s + 4.0F * t;
  y[3] = d + 8.0F * e + m[5];
}

// The weight gradient's two: four values of dy, A dy, and six sums of products, G^T s.
template <class Value>
inline void transform_output_gradient(const Value (&dy)[4], Value (&f)[6]) {
  const Value a = dy[0] + dy[2], b = dy[1] + dy[3];
  const Value c = dy[0] + 4.0F * dy[2], e = 2.0F * dy[1] + 8.0F * dy[3];
  f[0] = dy[0];
  f[1] = a + b;
  f[2] = a - b;
  f[3] = c + e;
  f[4] = c - e;
  f[5] = dy[3];
}
template <class Value>
inline void transform_weight_gradient(const Value (&s)[6], Value (&dw)[3]) {
  const Value a = s[1] + s[2], b = s[3] + s[4];
  dw[0] = s[0] * 0.25F - a * (1.0F / 6) + b * (1.0F / 24);
  dw[1] = (s[2] - s[1]) * (1.0F / 6) + (s[3] - s[4]) * (1.0F / 12);
  dw[2] = (b - a) * (1.0F / 6) + s[5];
}

// Both directions: load(i, j) for N x N values, `transform` from N to M down the columns and then
// along the rows, store(i, j, value) for M x M.
template <class Value, int N, int M, class Load, class Transform, class Store>
inline void both_ways(const Load& load, const Transform& transform, const Store& store) {
  Value down[M][N];
#pragma GCC unroll 6
  for (int j = 0; j < N; ++j) {
    Value column[N], transformed[M];
#pragma GCC unroll 6
    for (int i = 0; i < N; ++i) column[i] = load(i, j);
    transform(column, transformed);
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) down[i][j] = transformed[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
    Value row[M];
    transform(down[i], row);
#pragma GCC unroll 6
    for (int j = 0; j < M; ++j) store(i, j, row[j]);
  }
}

}  // namespace basin::winograd
