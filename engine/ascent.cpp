#include "engine/ascent.h"

#include "kernels/reduce.h"

namespace basin {

AscentSpace::AscentSpace(const Stream& stream, LayoutPtr layout, DType dtype, int64_t groups,
                         int moves)
    : gradient(stream, layout, dtype, groups),
      point(stream, layout, dtype, groups),
      squared_norms(stream, 2 * groups * int64_t{sizeof(double)}),
      partials(stream, groups * reduce_partials(layout->size()) * int64_t{sizeof(double)}) {
  if (moves > 1) epsilon = Arena(stream, layout, dtype, groups);
}

int64_t AscentSpace::bytes() const {
  return gradient.bytes() + point.bytes() + epsilon.bytes() + squared_norms.bytes() +
         partials.bytes();
}

}  // namespace basin
