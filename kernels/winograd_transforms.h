// The one-dimensional transforms of Winograd's F(4, 3), at the points 0, 1, -1, 2, -2 and infinity
// (Lavin and Gray 2015, section 4.3), and F(4, 2), at 0, 1, -1, 2 and infinity. An array's size
// says which. Four values are F(4, 2) for one tap: its weight at infinity is zero, so it is left
// out. A Value is a scalar or a vector of channels.
#pragma once

namespace basin::winograd {

inline constexpr int kOut = 4;  // the side of a tile of y

// Values of x: B^T d.
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
template <class Value>
inline void transform_input_of_four(const Value* d, Value* f) {
  const Value a = 2.0F * d[1] - d[3];
  f[0] = 2.0F * (d[0] - d[2]) - d[1] + d[3];
  f[1] = a + d[2];
  f[2] = 3.0F * d[2] - 2.0F * d[1] - d[3];
  f[3] = d[3] - d[1];
}
template <class Value>
inline void transform_input(const Value (&d)[4], Value (&f)[4]) {
  transform_input_of_four(d, f);
}
template <class Value>
inline void transform_input(const Value (&d)[5], Value (&f)[5]) {
  transform_input_of_four(d, f);
  f[4] = 2.0F * (d[1] - d[3]) - d[2] + d[4];
}

// Weights: G g.
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
template <class Value>
inline void transform_weights(const Value (&g)[2], Value (&f)[5]) {
  f[0] = g[0] * 0.5F;
  f[1] = (g[0] + g[1]) * 0.5F;
  f[2] = (g[0] - g[1]) * (1.0F / 6);
  f[3] = g[0] * (1.0F / 6) + g[1] * (1.0F / 3);
  f[4] = g[1];
}
template <class Value>
inline void transform_weights(const Value (&g)[1], Value (&f)[4]) {
  f[0] = f[1] = g[0] * 0.5F;
  f[2] = f[3] = g[0] * (1.0F / 6);
}

// Products to four values of y: A^T m.
template <class Value>
inline void transform_output(const Value (&m)[6], Value (&y)[4]) {
  const Value s = m[1] + m[2], d = m[1] - m[2], t = m[3] + m[4], e = m[3] - m[4];
  y[0] = m[0] + s + t;
  y[1] = d + 2.0F * e;
  y[2] = s + 4.0F * t;
  y[3] = d + 8.0F * e + m[5];
}
template <class Value>
inline void transform_output_of_four(const Value* m, Value* y) {
  const Value s = m[1] + m[2], d = m[1] - m[2];
  y[0] = m[0] + s + m[3];
  y[1] = d + 2.0F * m[3];
  y[2] = s + 4.0F * m[3];
  y[3] = d + 8.0F * m[3];
}
template <class Value>
inline void transform_output(const Value (&m)[4], Value (&y)[4]) {
  transform_output_of_four(m, y);
}
template <class Value>
inline void transform_output(const Value (&m)[5], Value (&y)[4]) {
  transform_output_of_four(m, y);
  y[3] += m[4];
}

// The weight gradient's two: four values of dy, A dy, and sums of products, G^T s.
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
inline void transform_output_gradient(const Value (&dy)[4], Value (&f)[5]) {
  const Value a = dy[0] + dy[2], b = dy[1] + dy[3];
  f[0] = dy[0];
  f[1] = a + b;
  f[2] = a - b;
  f[3] = dy[0] + 4.0F * dy[2] + (2.0F * dy[1] + 8.0F * dy[3]);
  f[4] = dy[3];
}
template <class Value>
inline void transform_weight_gradient(const Value (&s)[6], Value (&dw)[3]) {
  const Value a = s[1] + s[2], b = s[3] + s[4];
  dw[0] = s[0] * 0.25F - a * (1.0F / 6) + b * (1.0F / 24);
  dw[1] = (s[2] - s[1]) * (1.0F / 6) + (s[3] - s[4]) * (1.0F / 12);
  dw[2] = (b - a) * (1.0F / 6) + s[5];
}
template <class Value>
inline void transform_weight_gradient(const Value (&s)[4], Value (&dw)[1]) {
  dw[0] = (s[0] + s[1]) * 0.5F + (s[2] + s[3]) * (1.0F / 6);
}
template <class Value>
inline void transform_weight_gradient(const Value (&s)[5], Value (&dw)[2]) {
  dw[0] = (s[0] + s[1]) * 0.5F + (s[2] + s[3]) * (1.0F / 6);
  dw[1] = s[1] * 0.5F - s[2] * (1.0F / 6) + s[3] * (1.0F / 3) + s[4];
}

// Both directions: load(i, j) for N x L values, `transform` from N to M down the columns and then
// from L to K along the rows, store(i, j, value) for M x K.
template <class Value, int N, int M, int L, int K, class Load, class Transform, class Store>
inline void both_ways(const Load& load, const Transform& transform, const Store& store) {
  Value down[M][L];
#pragma GCC unroll 6
  for (int j = 0; j < L; ++j) {
    Value column[N], transformed[M];
#pragma GCC unroll 6
    for (int i = 0; i < N; ++i) column[i] = load(i, j);
    transform(column, transformed);
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) down[i][j] = transformed[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
    Value row[K];
    transform(down[i], row);
#pragma GCC unroll 6
    for (int j = 0; j < K; ++j) store(i, j, row[j]);
  }
}

}  // namespace basin::winograd
