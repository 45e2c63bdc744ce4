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

int64_t AscentSpace::bytes() const {
  return point.bytes() + epsilon.bytes() + squared_norms.bytes() + partials.bytes();
}

}  // namespace basin
