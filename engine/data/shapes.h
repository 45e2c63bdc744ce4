// The procedural data set: 32x32x3 images of ten shapes in random colours, places, sizes and
// angles, over a gradient, under noise and occlusion. No download, and the same bytes everywhere:
// all arithmetic is on integers.
#pragma once

#include "engine/data/dataset.h"

namespace basin {

// disc, ring, square, frame, triangle, cross, plus, stripes, checker, crescent. `split` separates
// training (0) from test (1) images.
Dataset make_shapes(int64_t n, uint32_t split);

}  // namespace basin
