// A weight gradient of each of several groups of rows that is never formed ("ghost": Goodfellow
// 2015, arXiv 1510.01799; Li et al. 2021, arXiv 2110.05679). With x_i, dy_i the rows of group g at
// the weights w of y = x w^T, its gradient is G_g = sum_i dy_i x_i^T, and all that m-SAM needs of
// it are inner products of rows:
//   |G_g|^2                = sum_ij <x_i, x_j> <dy_i, dy_j>
//   x' (w + s_g G_g)^T     = x' w^T + s_g (x' x^T) dy
//   dy' (w + s_g G_g)      = dy' w  + s_g (dy' dy^T) x
#pragma once

#include "kernels/gemm.h"
#include "kernels/parameter_groups.h"
#include "kernels/sam.h"

namespace basin {

// results[g] = sum of a[g, i] b[g, i] over i < n, in float64.  a, b: [groups, n].
template <class T>
void group_dots(const Stream& stream, int64_t groups, int64_t n, const T* a, const T* b,
                double* results);

// x[g, i] *= scales[g].  x: [groups, n].
template <class T>
void scale_groups(const Stream& stream, int64_t groups, int64_t n, const double* scales, T* x);

// squared_norms[g] += sum of ghosts[k, g] over k < rows, in their order, and then scales[g] = the s
// of SamAscent: eps_g = s g_g.  ghosts: [rows, groups].
void ghost_scales(const Stream& stream, int64_t groups, int64_t rows, const double* ghosts,
                  const double* rho, Normalise normalise, double* squared_norms, double* scales);

// rows: of a group.  x: [groups, rows, in]; y: [groups, rows, out]; w: [out, in].
struct GhostShape {
  int64_t groups, rows, in, out;

  int64_t x_size() const { return groups * rows * in; }
  int64_t y_size() const { return groups * rows * out; }
  int64_t gram_size() const { return groups * rows * rows; }
};

// Whether inner products of the rows are cheaper than the gradient, and the rows smaller.
constexpr bool ghost_is_smaller(const GhostShape& s) {
  return s.rows * (s.in + s.out) <= s.in * s.out;
}

// Made ready for a shape, as a Gemm is, under the same rules. `kept` is what it needs from the pass
// at w to the pass at w + s G: kept_bytes(), 64-byte aligned.
template <class T>
class GhostProduct {
 public:
  GhostProduct(const Stream& stream, const GhostShape& shape);

  int64_t kept_bytes() const;
  int64_t scratch_bytes() const;
  // Where the rows of x are kept, for those who make them there.
  T* kept_x(void* kept) const { return static_cast<T*>(kept); }

  // Of the pass at w: keeps x (unless it is kept_x(kept) already) and dy; squared_norms: [groups].
  void keep(const Stream& stream, const T* x, const T* dy, void* kept, double* squared_norms,
            void* scratch) const;
  // y += s_g x G_g^T, y being x w^T; scales: [groups].
  void add_to_output(const Stream& stream, const T* x, const void* kept, const double* scales, T* y,
                     void* scratch) const;
  // dx (=, +=) s_g dy G_g.
  void data_gradient(const Stream& stream, const T* dy, const void* kept, const double* scales,
                     T* dx, Write mode, void* scratch) const;

 private:
  const T* kept_dy(const void* kept) const;
  T* kept_dy(void* kept) const { return const_cast<T*>(kept_dy(const_cast<const void*>(kept))); }
  T* gram(void* scratch, int k) const;

  GhostShape shape_;
  Gemm<T> gram_x_, gram_y_, to_y_, to_x_;  // rows times rows, and what these products times rows
};

namespace cuda {
template <class T>
void group_dots(const Stream& stream, int64_t groups, int64_t n, const T* a, const T* b,
                double* results);
template <class T>
void scale_groups(const Stream& stream, int64_t groups, int64_t n, const double* scales, T* x);
void ghost_scales(const Stream& stream, int64_t groups, int64_t rows, const double* ghosts,
                  const double* rho, Normalise normalise, double* squared_norms, double* scales);
}  // namespace cuda

}  // namespace basin
