#include "engine/data/split.h"

#include <algorithm>

#include "engine/data/numpy_random.h"
#include "kernels/error.h"

namespace basin {

Dataset subset(const Dataset& data, std::span<const int64_t> indices) {
  Dataset part{.n = static_cast<int64_t>(indices.size()),
               .h = data.h,
               .w = data.w,
               .c = data.c,
               .classes = data.classes,
               .images = {},
               .labels = {}};
  const int64_t image = data.h * data.w * data.c;
  part.images.reserve(indices.size() * image);
  part.labels.reserve(indices.size());
  for (const int64_t i : indices) {
    const auto from = data.images.begin() + i * image;
    part.images.insert(part.images.end(), from, from + image);
    part.labels.push_back(data.labels[i]);
  }
  return part;
}

Dataset take_validation(Dataset& data, double share, uint64_t seed) {
  BASIN_CHECK(seed < uint64_t{1} << 32, "--seed",
              "found {} with a validation set, which NumPy's generator draws, expected less than "
              "2^32",
              seed);
  const auto taken = static_cast<int64_t>(static_cast<double>(data.n) * share);
  BASIN_CHECK(taken >= 1 && taken < data.n, "--validation",
              "found {} of {} examples, expected a share that leaves both parts at least one",
              share, data.n);
  std::vector<int64_t> order = NumpyRandom(static_cast<uint32_t>(seed)).permutation(data.n);
  const std::span<const int64_t> all = order;
  Dataset validation = subset(data, all.first(taken));
  std::sort(order.begin() + taken, order.end());
  data = subset(data, all.subspan(taken));
  return validation;
}

}  // namespace basin
