// Matrix products with a narrow side, such as the 10 outputs of a classifier: a part of gemm. A
// library's product fills a part of its blocks there, and packs operands that are used once or
// twice. Here the vectors run along the long side, straight from memory, and a block of the narrow
// side stays in registers.
#pragma once

#include "kernels/gemm.h"

namespace basin {

// Whether thin_product computes s: not with both operands transposed.
bool thin_product_fits(const GemmShape& s);
// Whether it is for s, the products of a layer of up to 16 outputs (what is faster was measured):
//   y = x w^T     b transposed, n <= 16 and k >= 128: inner products along k
//   dw = dy^T x   b not transposed, m <= 16: sums of b's rows, scaled
//   dx = dy w     b not transposed, k <= 16: the same
bool thin_product_is_faster(const GemmShape& s);

// c (=, +=) op(a) op(b), as in gemm.h, for a shape that fits. An element's terms have one order,
// which depends on the machine's vector width alone.
template <class T>
void thin_product(const Stream& stream, const GemmShape& s, const T* a, const T* b, T* c,
                  Write mode);

}  // namespace basin
