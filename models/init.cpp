#include "models/init.h"

#include <cmath>

#include "kernels/random.h"

namespace basin {

void initialise(const Stream& stream, Arena& parameters, uint64_t seed) {
  uint32_t lane = 0;
  for (const LayoutEntry& entry : parameters.layout()->entries()) {
    std::vector<double> values(static_cast<size_t>(entry.size));
    const bool convolution = entry.logical.size() == 4;
    for (int64_t i = 0; i < entry.size; ++i) {
      double value = entry.role == Role::NormScale ? 1.0 : 0.0;
      if (entry.role == Role::Weight) {
        const Philox4 bits = philox_at(seed, Purpose::Initialise, lane, static_cast<uint64_t>(i));
        if (convolution) {
          const auto fan_out =
              static_cast<double>(entry.logical[0] * entry.logical[2] * entry.logical[3]);
          value = normal(bits) * std::sqrt(2.0 / fan_out);
        } else {
          const double bound = 1.0 / std::sqrt(static_cast<double>(entry.logical[1]));
          value = (2.0 * uniform(bits) - 1.0) * bound;
        }
      }
      values[i] = value;
    }
    parameters.write(stream, entry, values);
    ++lane;
  }
}

void initialise_buffers(const Stream& stream, Arena& buffers) {
  for (const LayoutEntry& entry : buffers.layout()->entries()) {
    const double value = entry.role == Role::RunningVariance ? 1.0 : 0.0;
    buffers.write(stream, entry, std::vector<double>(static_cast<size_t>(entry.size), value));
  }
}

}  // namespace basin
