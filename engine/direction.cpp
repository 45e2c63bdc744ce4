#include "engine/direction.h"

#include <cmath>

#include "kernels/landscape.h"

namespace basin {

void random_direction(const Stream& stream, Arena& direction, uint64_t seed, Purpose purpose,
                      uint32_t lane, const double* step) {
  dispatch(direction.dtype(), [&]<class T>(T) {
    for (const LayoutEntry& entry : direction.layout()->entries()) {
      fill_normal(stream, {seed, purpose, lane, static_cast<uint64_t>(entry.offset), step},
                  entry.size, direction.as<T>() + entry.offset);
    }
  });
}

void filter_normalise(const Stream& stream, const Arena& weights, Arena& direction) {
  BASIN_CHECK(weights.layout() == direction.layout() && weights.dtype() == direction.dtype(),
              "[filter_normalise] direction", "found another layout or type than the weights'");
  dispatch(direction.dtype(), [&]<class T>(T) {
    for (const LayoutEntry& entry : direction.layout()->entries()) {
      T* d = direction.as<T>() + entry.offset;
      if (entry.role != Role::Weight) {
        zero(stream, d, entry.size * int64_t{sizeof(T)});
        continue;
      }
      const int64_t filters = entry.logical[0];
      filter_normalise(stream, filters, entry.size / filters, weights.as<T>() + entry.offset, d);
    }
  });
}

double norm(const Stream& stream, const Arena& a) {
  const Buffer memory(stream, (reduce_partials(a.size()) + 1) * int64_t{sizeof(double)});
  auto* squares = reinterpret_cast<double*>(memory.data());
  dispatch(a.dtype(),
           [&]<class T>(T) { squared_norm(stream, a.size(), a.as<T>(), squares + 1, squares); });
  double total = 0;
  copy_to_host(stream, &total, squares, sizeof(total));
  return std::sqrt(total);
}

}  // namespace basin
