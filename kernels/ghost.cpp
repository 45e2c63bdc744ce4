// Ghost gradients: the small kernels on a CPU, and the products that both backends share.
#include "kernels/ghost.h"

#include <algorithm>

#include "kernels/elementwise.h"
#include "kernels/ghost.cuh"
#include "kernels/has_cuda.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {
namespace {

template <class T>
void group_dots(const Stream& stream, int64_t groups, int64_t n, const T* a, const T* b,
                double* results) {
  const int64_t bytes = 2 * groups * n * int64_t{sizeof(T)};
  parallel_ranges(stream, groups, 1, bytes, [&](int64_t begin, int64_t end) {
    vectorised([=]() {
      for (int64_t g = begin; g < end; ++g) {
        double total = 0;
#pragma omp simd reduction(+ : total)
        for (int64_t i = g * n; i < (g + 1) * n; ++i) {
          total += static_cast<double>(a[i]) * static_cast<double>(b[i]);
        }
        results[g] = total;
      }
    });
  });
}

template <class T>
void scale_groups(const Stream& stream, int64_t groups, int64_t n, const double* scales, T* x) {
  const int64_t bytes = 2 * groups * n * int64_t{sizeof(T)};
  parallel_ranges(stream, groups, 1, bytes, [&](int64_t begin, int64_t end) {
    vectorised([=]() {
      for (int64_t g = begin; g < end; ++g) {
        const T scale = static_cast<T>(scales[g]);
        for (int64_t i = g * n; i < (g + 1) * n; ++i) x[i] *= scale;
      }
    });
  });
}

}  // namespace
}  // namespace cpu

template <class T>
void group_dots(const Stream& stream, int64_t groups, int64_t n, const T* a, const T* b,
                double* results) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::group_dots(stream, groups, n, a, b, results);
  }
  cpu::group_dots(stream, groups, n, a, b, results);
}

template <class T>
void scale_groups(const Stream& stream, int64_t groups, int64_t n, const double* scales, T* x) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::scale_groups(stream, groups, n, scales, x);
  }
  cpu::scale_groups(stream, groups, n, scales, x);
}

void ghost_scales(const Stream& stream, int64_t groups, int64_t rows, const double* ghosts,
                  const double* rho, Normalise normalise, double* squared_norms, double* scales) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::ghost_scales(stream, groups, rows, ghosts, rho, normalise, squared_norms,
                                scales);
    }
  }
  for (int64_t g = 0; g < groups; ++g) {
    ghost_scale(g, groups, rows, ghosts, rho, normalise, squared_norms, scales);
  }
}

namespace {

constexpr int64_t kAlignment = 64;

template <class T>
int64_t aligned_bytes(int64_t n) {
  return round_up(n * int64_t{sizeof(T)}, kAlignment);
}

// Each group's rows times its rows: a b^T, of `length` elements a row.
GemmShape rows_times_rows(const GhostShape& s, int64_t length) {
  return {s.rows, s.rows, length, Transpose::No, Transpose::Yes};
}
GemmBatch gram_batch(const GhostShape& s, int64_t length) {
  return {s.groups, s.rows * length, s.rows * length, s.rows * s.rows};
}
// Each group's products times its rows.
GemmShape times_rows(const GhostShape& s, int64_t length) {
  return {s.rows, length, s.rows};
}
GemmBatch rows_batch(const GhostShape& s, int64_t length) {
  return {s.groups, s.rows * s.rows, s.rows * length, s.rows * length};
}

}  // namespace

template <class T>
GhostProduct<T>::GhostProduct(const Stream& stream, const GhostShape& s)
    : shape_(s),
      gram_x_(stream, rows_times_rows(s, s.in), gram_batch(s, s.in)),
      gram_y_(stream, rows_times_rows(s, s.out), gram_batch(s, s.out)),
      to_y_(stream, times_rows(s, s.out), rows_batch(s, s.out)),
      to_x_(stream, times_rows(s, s.in), rows_batch(s, s.in)) {}

template <class T>
int64_t GhostProduct<T>::kept_bytes() const {
  return aligned_bytes<T>(shape_.x_size()) + aligned_bytes<T>(shape_.y_size());
}

template <class T>
const T* GhostProduct<T>::kept_dy(const void* kept) const {
  return reinterpret_cast<const T*>(static_cast<const char*>(kept) +
                                    aligned_bytes<T>(shape_.x_size()));
}

// Two arrays of inner products, and behind them the products' own scratch.
template <class T>
T* GhostProduct<T>::gram(void* scratch, int k) const {
  return reinterpret_cast<T*>(static_cast<char*>(scratch) +
                              k * aligned_bytes<T>(shape_.gram_size()));
}

template <class T>
int64_t GhostProduct<T>::scratch_bytes() const {
  return 2 * aligned_bytes<T>(shape_.gram_size()) +
         std::max({gram_x_.scratch_bytes(), gram_y_.scratch_bytes(), to_y_.scratch_bytes(),
                   to_x_.scratch_bytes()});
}

template <class T>
void GhostProduct<T>::keep(const Stream& stream, const T* x, const T* dy, void* kept,
                           double* squared_norms, void* scratch) const {
  T* own = kept_x(kept);
  if (x != own) map<T>(stream, Copy<T>{}, shape_.x_size(), {x}, {own});
  map<T>(stream, Copy<T>{}, shape_.y_size(), {dy}, {kept_dy(kept)});
  T *xx = gram(scratch, 0), *yy = gram(scratch, 1);
  gram_x_.run(stream, own, own, xx, Write::Overwrite, gram(scratch, 2));
  gram_y_.run(stream, dy, dy, yy, Write::Overwrite, gram(scratch, 2));
  group_dots(stream, shape_.groups, shape_.rows * shape_.rows, xx, yy, squared_norms);
}

template <class T>
void GhostProduct<T>::add_to_output(const Stream& stream, const T* x, const void* kept,
                                    const double* scales, T* y, void* scratch) const {
  T* xx = gram(scratch, 0);
  gram_x_.run(stream, x, static_cast<const T*>(kept), xx, Write::Overwrite, gram(scratch, 2));
  scale_groups(stream, shape_.groups, shape_.rows * shape_.rows, scales, xx);
  to_y_.run(stream, xx, kept_dy(kept), y, Write::Accumulate, gram(scratch, 2));
}

template <class T>
void GhostProduct<T>::data_gradient(const Stream& stream, const T* dy, const void* kept,
                                    const double* scales, T* dx, Write mode, void* scratch) const {
  T* yy = gram(scratch, 0);
  gram_y_.run(stream, dy, kept_dy(kept), yy, Write::Overwrite, gram(scratch, 2));
  scale_groups(stream, shape_.groups, shape_.rows * shape_.rows, scales, yy);
  to_x_.run(stream, yy, static_cast<const T*>(kept), dx, mode, gram(scratch, 2));
}

#define BASIN_INSTANTIATE_GHOST(T)                                                        \
  template void group_dots(const Stream&, int64_t, int64_t, const T*, const T*, double*); \
  template void scale_groups(const Stream&, int64_t, int64_t, const double*, T*);         \
  template class GhostProduct<T>;

BASIN_INSTANTIATE_GHOST(float)
BASIN_INSTANTIATE_GHOST(double)

}  // namespace basin
