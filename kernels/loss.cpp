// Losses on a CPU: every row, respectively block, writes its own term; the terms are added in their
// order, whatever the thread count.
#include "kernels/loss.h"

#include <algorithm>
#include <limits>

#include "kernels/error.h"
#include "kernels/has_cuda.h"
#include "kernels/parallel.h"
#include "kernels/reduce.h"
#include "kernels/simd.h"

namespace basin {
namespace cpu {
namespace {

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
  parallel_ranges(stream, n, 1, cross_entropy_cost<T>(n, classes).bytes(),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t i = begin; i < end; ++i) {
                      const auto row = CrossEntropyRow<double>::run(
                          classes, z + i * classes, labels[i], share, dz + i * classes);
                      losses[i] = std::log(row.total) - row.own;
                      hits[i] = row.correct && !std::isnan(losses[i]) ? 1 : 0;
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

// The partial sum of one block, and its dx.  x, y, dx: [n].
template <class T>
double squared_error_block(const SquaredErrorTerm<T>& term, int64_t n, const T* x, const T* y,
                           T* dx) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < n; ++i) {
    T gradient;
    total = term.add(total, x[i], y[i], gradient);
    dx[i] = gradient;
  }
  return total;
}

template <class T>
void squared_error(const Stream& stream, int64_t n, double scale, const T* x, const T* y, T* loss,
                   T* dx, double* scratch) {
  const SquaredErrorTerm<T> term{static_cast<T>(2 * scale)};
  const int64_t blocks = reduce_partials(n);
  parallel_ranges(stream, blocks, 1, element_cost<SquaredErrorTerm<T>, T>(n).bytes(),
                  [&](int64_t first, int64_t last) {
                    vectorised([=]() {
                      for (int64_t b = first; b < last; ++b) {
                        const int64_t at = b * kReduceBlock;
                        scratch[b] = squared_error_block(term, std::min(kReduceBlock, n - at),
                                                         x + at, y + at, dx + at);
                      }
                    });
                  });
  double total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += scratch[b];
  loss[0] = static_cast<T>(scale * total);
}

}  // namespace
}  // namespace cpu

int64_t cross_entropy_scratch(int64_t n) {
  return 2 * n * int64_t{sizeof(double)};
}

template <class T>
void cross_entropy(const Stream& stream, int64_t n, int64_t classes, const T* z,
                   const int32_t* labels, T* loss, T* correct, T* dz, void* scratch) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::cross_entropy(stream, n, classes, z, labels, loss, correct, dz, scratch);
    }
  }
  cpu::cross_entropy(stream, n, classes, z, labels, loss, correct, dz, scratch);
}

template <class T>
void squared_error(const Stream& stream, int64_t n, double scale, const T* x, const T* y, T* loss,
                   T* dx, double* scratch) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::squared_error(stream, n, scale, x, y, loss, dx, scratch);
  }
  cpu::squared_error(stream, n, scale, x, y, loss, dx, scratch);
}

#define BASIN_INSTANTIATE_LOSS(T)                                                                \
  template void cross_entropy(const Stream&, int64_t, int64_t, const T*, const int32_t*, T*, T*, \
                              T*, void*);                                                        \
  template void squared_error(const Stream&, int64_t, double, const T*, const T*, T*, T*, double*);

BASIN_INSTANTIATE_LOSS(float)
BASIN_INSTANTIATE_LOSS(double)

}  // namespace basin
