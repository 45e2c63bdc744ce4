// Parts of a data set.
#pragma once

#include <span>

#include "engine/data/dataset.h"

namespace basin {

// The examples at `indices`, in that order.
Dataset subset(const Dataset& data, std::span<const int64_t> indices);

// Takes a validation set out of `data`: the first int(share * n) examples of NumPy's permutation
// under `seed`, which must be below 2^32 (understanding-sam, data.py: the first number it draws).
// What stays keeps its order. Error(Usage) where either part is empty.
Dataset take_validation(Dataset& data, double share, uint64_t seed);

}  // namespace basin
