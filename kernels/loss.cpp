#include "kernels/loss.h"

#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/error.h"
#include "kernels/parallel.h"
#include "kernels/reduce.h"
#include "kernels/simd.h"

namespace basin {
namespace {

// One example: its loss; dz = (softmax(z) - onehot(label)) * share. The maximum is subtracted, so
// no logit overflows; a NaN among the logits reaches the loss.
template <class T>
double cross_entropy_row(int64_t classes, const T* z, int32_t label, double share, T* dz,
                         bool* correct) {
  T top = z[0];
  int64_t best = 0;
  for (int64_t k = 1; k < classes; ++k) {
    if (z[k] > top) {
      top = z[k];
      best = k;
    }
  }
  double total = 0;
  for (int64_t k = 0; k < classes; ++k) {
    const double e = std::exp(static_cast<double>(z[k]) - static_cast<double>(top));
    dz[k] = static_cast<T>(e);
    total += e;
  }
  const double scale = share / total;
  const double own = static_cast<double>(z[label]) - static_cast<double>(top);
  for (int64_t k = 0; k < classes; ++k) {
    const double e = std::exp(static_cast<double>(z[k]) - static_cast<double>(top));
    dz[k] = static_cast<T>(e * scale - (k == label ? share : 0.0));
  }
  *correct = best == label;
  return std::log(total) - own;
}

}  // namespace

int64_t cross_entropy_scratch(int64_t n) { return 2 * n * int64_t{sizeof(double)}; }

template <class T>
void cross_entropy(const Stream& stream, int64_t n, int64_t classes, const T* z,
                   const int32_t* labels, T* loss, T* correct, T* dz, void* scratch) {
  for (int64_t i = 0; i < n; ++i) {
    BASIN_CHECK(labels[i] >= 0 && labels[i] < classes, "[cross_entropy] labels",
                "found {} at position {}, expected 0 to {}", labels[i], i, classes - 1);
  }
  auto* losses = static_cast<double*>(scratch);
  double* hits = losses + n;
  const double share = 1.0 / static_cast<double>(n);
  cpu::parallel_ranges(stream, n, 1, n * classes * int64_t{sizeof(T)},
                       [&](int64_t begin, int64_t end) {
                         for (int64_t i = begin; i < end; ++i) {
                           bool hit = false;
                           losses[i] = cross_entropy_row(classes, z + i * classes, labels[i],
                                                         share, dz + i * classes, &hit);
                           hits[i] = hit ? 1 : 0;
                         }
                       });
  double total = 0, count = 0;
  for (int64_t i = 0; i < n; ++i) {
    total += losses[i];
    count += hits[i];
  }
  loss[0] = static_cast<T>(total * share);
  correct[0] = static_cast<T>(count);
}

template <class T>
void squared_error(const Stream& stream, int64_t n, double scale, const T* x, const T* y, T* loss,
                   T* dx, double* scratch) {
  const T minus_one = -1;
  map<T>(stream, AddScaled<T>{minus_one}, n, {x, y}, {dx});  // x - y
  squared_norm(stream, n, dx, scratch + 1, scratch);
  loss[0] = static_cast<T>(scale * scratch[0]);
  map<T>(stream, Scale<T>{static_cast<T>(2 * scale)}, n, {dx}, {dx});
}

#define BASIN_INSTANTIATE(T)                                                                   \
  template void cross_entropy(const Stream&, int64_t, int64_t, const T*, const int32_t*, T*,   \
                              T*, T*, void*);                                                  \
  template void squared_error(const Stream&, int64_t, double, const T*, const T*, T*, T*, double*);
BASIN_INSTANTIATE(float)
BASIN_INSTANTIATE(double)

}  // namespace basin
