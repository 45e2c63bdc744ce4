// The ascent of m-SAM (Foret et al. 2021, section 4.1; Andriushchenko and Flammarion 2022): each
// group of examples has a gradient, and so a point w + eps, of its own.
#pragma once

#include "kernels/parameter_groups.h"
#include "kernels/sam.h"

namespace basin {

// Groups for which w is read once: their gradients are on the way at the same time.
inline constexpr int kAscentGroups = 8;

// That of group k, given group 0's.
template <class T>
BASIN_HD SamAscent<T> ascent_of(SamAscent<T> ascent, int64_t k) {
  if (ascent.normalise == Normalise::Yes) ascent.squared_norm += k;
  return ascent;
}

// points[k * stride + i] = w[i] + s_k g[k * stride + i] for i < n and each group k, with
// s_k = rho / (|g_k| + 1e-12), or rho where not normalised, rounded as by SamAscent.
// w: [n]; g, points: [n] for each group, points may be g; squared_norms: [count], not read where
// not normalised.
template <class T>
void sam_ascent_groups(const Stream& stream, ParameterGroups groups, int64_t n, const T* w,
                       const T* g, const double* squared_norms, const double* rho,
                       Normalise normalise, T* points);

template <class T>
constexpr Cost sam_ascent_groups_cost(int64_t groups, int64_t n) {
  const int64_t array = n * int64_t{sizeof(T)};
  return {(groups + ceil_div<int64_t>(groups, kAscentGroups)) * array, groups * array,
          groups * n * SamAscent<T>::flops};
}

namespace cuda {
template <class T>
void sam_ascent_groups(const Stream& stream, ParameterGroups groups, int64_t n, const T* w,
                       const T* g, const double* squared_norms, const double* rho,
                       Normalise normalise, T* points);
}  // namespace cuda

}  // namespace basin
