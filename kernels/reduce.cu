// The CUDA side of the reductions.
#include <algorithm>

#include "kernels/launch.cuh"
#include "kernels/reduce.cuh"

namespace basin::cuda {
namespace {

template <class Term, class T>
void reduce(const Stream& stream, const char* name, ParameterGroups groups, int64_t n, const T* x,
            double* partials, double* results) {
  const int64_t each = reduce_partials(n);
  if (each > 0) {
    launch<ReduceBlocks<Term, T>>(stream, name, grid_of_blocks(stream, groups.count * each), groups,
                                  n, x, partials);
  }
  launch<JoinPartials>(stream, name, grid_of_blocks(stream, groups.count, 1024), groups.count, each,
                       partials, results);
}

}  // namespace

template <class T>
void squared_norms(const Stream& stream, ParameterGroups groups, int64_t n, const T* x,
                   double* partials, double* results) {
  reduce<SquareTerm>(stream, "squared_norms", groups, n, x, partials, results);
}

template <class T>
void sum(const Stream& stream, int64_t n, const T* x, double* partials, double* result) {
  reduce<PlainTerm>(stream, "sum", {}, n, x, partials, result);
}

template <class T>
void column_sum(const Stream& stream, int64_t rows, int64_t columns, const T* x, T* partials,
                T* sums, Write mode, ParameterGroups groups) {
  if (columns == 0) return;
  using Blocks = ColumnBlocks<T>;
  const int64_t each = rows / groups.count, blocks = ceil_div(each, kColumnRows);
  if (blocks > 0) {
    const int64_t tasks = groups.count * blocks * ceil_div<int64_t>(columns, Blocks::kTile);
    launch<Blocks>(stream, "column_sum", grid_of_blocks(stream, tasks, Blocks::kThreads),
                   groups.count, each, columns, x, partials);
  }
  launch<ColumnJoin<T>>(stream, "column_sum", grid_for(stream, groups.count * columns), groups,
                        blocks, columns, partials, sums, mode);
}

template <class T>
void sum_parts(const Stream& stream, int64_t n, const T* const* parts, int count, double decay,
               const T* w, T* out) {
  if (n == 0) return;
  using Body = SumPartsBody<T>;
  for (int done = 0; done < count;) {
    Arrays<const T, Body::kMost> arrays{};
    int here = 0;
    Access access = access_of(w, out);
    if (done > 0) arrays.at[here++] = out;
    while (done < count && here < Body::kMost) {
      if (access_of(parts[done]) == Access::Single) access = Access::Single;
      arrays.at[here++] = parts[done++];
    }
    launch<Body>(stream, "sum_parts", grid_for(stream, ceil_div<int64_t>(n, kPackSize<T>)), n,
                 arrays, here, access, static_cast<T>(decay), done == count ? w : nullptr, out);
  }
}

#define BASIN_INSTANTIATE_REDUCE(T)                                                       \
  template void squared_norms(const Stream&, ParameterGroups, int64_t, const T*, double*, \
                              double*);                                                   \
  template void sum(const Stream&, int64_t, const T*, double*, double*);                  \
  template void column_sum(const Stream&, int64_t, int64_t, const T*, T*, T*, Write,      \
                           ParameterGroups);                                              \
  template void sum_parts(const Stream&, int64_t, const T* const*, int, double, const T*, T*);

BASIN_INSTANTIATE_REDUCE(float)
BASIN_INSTANTIATE_REDUCE(double)

}  // namespace basin::cuda
