// A bias added to every row. Its gradient is column_sum (reduce.h).
#pragma once

#include "kernels/cost.h"
#include "kernels/parameter_groups.h"
#include "kernels/platform.h"
#include "kernels/stream.h"

namespace basin {

// x, b -> x + b; per element of x (b is small and stays in cache).
template <class T>
struct BiasAdd {
  static constexpr int reads = 1, writes = 1, flops = 1;
  BASIN_HD static T of(T x, T b) { return x + b; }
};

// y[r, c] = x[r, c] + b[c].  x, y: [rows, columns], y may be x; b: [columns], for each of the
// groups of rows / groups.count rows.
template <class T>
void bias_forward(const Stream& stream, int64_t rows, int64_t columns, const T* x, const T* b, T* y,
                  ParameterGroups groups = {});

namespace cuda {
template <class T>
void bias_forward(const Stream& stream, int64_t rows, int64_t columns, const T* x, const T* b, T* y,
                  ParameterGroups groups);
}

}  // namespace basin
