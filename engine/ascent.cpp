#include "engine/ascent.h"

#include "kernels/reduce.h"

namespace basin {

AscentSpace::AscentSpace(const Stream& stream, LayoutPtr layout, DType dtype, int64_t groups,
                         KeepEpsilon keep)
    : point(stream, layout, dtype, groups),
      squared_norms(stream, 2 * groups * int64_t{sizeof(double)}),
      partials(stream, groups * reduce_partials(layout->size()) * int64_t{sizeof(double)}) {
  if (keep == KeepEpsilon::Yes) epsilon = Arena(stream, layout, dtype, groups);
}

int64_t AscentSpace::bytes(const Layout& layout, DType dtype, int64_t groups, KeepEpsilon keep) {
  const int64_t arenas = keep == KeepEpsilon::Yes ? 2 : 1;
  const int64_t scalars = 2 + reduce_partials(layout.size());
  return groups * (arenas * layout.size() * dtype_size(dtype) + scalars * int64_t{sizeof(double)});
}

}  // namespace basin
