// The ascent of groups on a CPU: a stretch of w stays in the first-level cache while the points of
// several groups are made from it.
#include "kernels/sam_groups.h"

#include <algorithm>

#include "kernels/has_cuda.h"
#include "kernels/map_cpu.h"

namespace basin {
namespace cpu {
namespace {

constexpr int64_t kStretch = 2048;  // elements

template <class T>
void sam_ascent_groups(const Stream& stream, ParameterGroups groups, int64_t n, const T* w,
                       const T* g, const double* squared_norms, const double* rho,
                       Normalise normalise, T* points) {
  const int64_t stretches = ceil_div(n, kStretch);
  const int64_t tasks = ceil_div<int64_t>(groups.count, kAscentGroups) * stretches;
  const int64_t bytes = sam_ascent_groups_cost<T>(groups.count, n).bytes();
  parallel_ranges(stream, tasks, 1, bytes, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t k = task / stretches * kAscentGroups, i = task % stretches * kStretch;
      for (int64_t group = k; group < std::min(k + kAscentGroups, groups.count); ++group) {
        using Bound = typename SamAscent<T>::Bound;
        const Bound bound = ascent_of(SamAscent<T>{squared_norms, rho, normalise}, group).load();
        const int64_t first = group * groups.stride;
        map_range<T, Bound>(bound, i, std::min(i + kStretch, n), {w, g + first}, {points + first});
      }
    }
  });
}

}  // namespace
}  // namespace cpu

template <class T>
void sam_ascent_groups(const Stream& stream, ParameterGroups groups, int64_t n, const T* w,
                       const T* g, const double* squared_norms, const double* rho,
                       Normalise normalise, T* points) {
  if (n == 0) return;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      return cuda::sam_ascent_groups(stream, groups, n, w, g, squared_norms, rho, normalise,
                                     points);
    }
  }
  cpu::sam_ascent_groups(stream, groups, n, w, g, squared_norms, rho, normalise, points);
}

template void sam_ascent_groups(const Stream&, ParameterGroups, int64_t, const float*, const float*,
                                const double*, const double*, Normalise, float*);
template void sam_ascent_groups(const Stream&, ParameterGroups, int64_t, const double*,
                                const double*, const double*, const double*, Normalise, double*);

}  // namespace basin
