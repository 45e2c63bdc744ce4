// Losses as bodies. What a thread adds, and in which order, depends on the sizes and on the number
// of threads in a block alone.
#pragma once

#include <cmath>

#include "kernels/block.h"
#include "kernels/loss.h"
#include "kernels/map.cuh"
#include "kernels/reduce.h"

namespace basin {

struct JoinMin {
  template <class T>
  BASIN_HD T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};

// One row of cross_entropy a block: losses[i], hits[i] (0 or 1) and dz[i, :], as CrossEntropyRow.
// A NaN leaves no logit equal to the maximum, so the row is not correct.
template <class T>
struct CrossEntropyBody {
  struct Shared {
    T tops[kMaxWarps];
    int places[kMaxWarps];
    double totals[kMaxWarps];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t n, int classes, const T* z,
                               const int32_t* labels, double share, T* dz, double* losses,
                               double* hits) const {
    for (int64_t i = block.block_rank(); i < n; i += block.num_blocks()) {
      const T* row = z + i * classes;
      T* gradient = dz + i * classes;
      T own_top = row[0];
      for (int k = block.thread_rank(); k < classes; k += block.num_threads()) {
        own_top = JoinMax{}(own_top, row[k]);
      }
      const T top = block_max(block, shared.tops, own_top);
      int place = classes;
      double total = 0;
      for (int k = block.thread_rank(); k < classes; k += block.num_threads()) {
        if (row[k] == top && place == classes) place = k;
        const double e = std::exp(static_cast<double>(row[k]) - static_cast<double>(top));
        gradient[k] = static_cast<T>(e);
        total += e;
      }
      place = block_reduce(block, shared.places, place, classes, JoinMin{});
      total = block_sum(block, shared.totals, total);
      // No label is read past the row: one that is out of range turns the row to NaN.
      const int label = labels[i];
      const bool valid = label >= 0 && label < classes;
      const double own = valid ? static_cast<double>(row[label]) - static_cast<double>(top)
                               : static_cast<double>(NAN);
      const double scale = valid ? share / total : static_cast<double>(NAN);
      for (int k = block.thread_rank(); k < classes; k += block.num_threads()) {
        gradient[k] = static_cast<T>(k == label ? std::exp(own) * scale - share
                                                : static_cast<double>(gradient[k]) * scale);
      }
      if (block.thread_rank() == 0) {
        losses[i] = std::log(total) - own;
        hits[i] = place == label ? 1 : 0;
      }
    }
  }
};

// partials[b] and dx of the elements [b, b + 1) * kReduceBlock of squared_error.
template <class T>
struct SquaredErrorBody {
  struct Shared {
    double partial[kMaxWarps];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t n,
                               const SquaredErrorTerm<T>& term, const T* x, const T* y, T* dx,
                               double* partials) const {
    constexpr int64_t width = kPackSize<T>;
    const Access access = access_of(x, y, dx);
    for (int64_t b = block.block_rank(); b < reduce_partials(n); b += block.num_blocks()) {
      const int64_t begin = b * kReduceBlock, left = n - begin;
      const int64_t count = left < kReduceBlock ? left : kReduceBlock;
      double total = 0;
      for (int64_t p = block.thread_rank(); p < count / width; p += block.num_threads()) {
        const int64_t at = begin + p * width;
        const Pack16<T> from = load_pack(x + at, access), to = load_pack(y + at, access);
        Pack16<T> slope;
        for (int j = 0; j < width; ++j) {
          total = term.add(total, from.value[j], to.value[j], slope.value[j]);
        }
        store_pack(dx + at, slope, access);
      }
      const int64_t tail = begin + count / width * width + block.thread_rank();
      for (int64_t i = tail; i < begin + count; i += block.num_threads()) {
        total = term.add(total, x[i], y[i], dx[i]);
      }
      total = block_sum(block, shared.partial, total);
      if (block.thread_rank() == 0) partials[b] = total;
    }
  }
};

// out[0] = scale * the sum of terms: [count]; one block.
template <class T>
struct LossJoin {
  struct Shared {
    double partial[kMaxWarps];
  };
  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, int64_t count, const double* terms,
                               double scale, T* out) const {
    double total = 0;
    for (int64_t i = block.thread_rank(); i < count; i += block.num_threads()) total += terms[i];
    total = block_sum(block, shared.partial, total);
    if (block.thread_rank() == 0) out[0] = static_cast<T>(scale * total);
  }
};

}  // namespace basin
