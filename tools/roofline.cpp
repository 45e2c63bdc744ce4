#include "tools/roofline.h"

#include <algorithm>
#include <cmath>

namespace basin {

const char* roof_name(Roof roof) {
  return roof == Roof::Compute ? "compute" : roof == Roof::Cache ? "cache" : "memory";
}

Attainable attainable(const Ceilings& c, const Work& work) {
  const double between = std::sqrt(c.cache.working_set) * std::sqrt(c.memory.working_set);
  const bool cached = work.working_set < between;
  const double bandwidth = (cached ? c.cache : c.memory).bytes_per_second;
  const double moving = work.bytes / bandwidth, computing = work.flops / c.flops_per_second;
  return {computing > moving ? Roof::Compute
          : cached           ? Roof::Cache
                             : Roof::Memory,
          std::min(c.flops_per_second, work.intensity() * bandwidth), std::max(moving, computing)};
}

double share_of_roof(const Ceilings& c, const Work& work) {
  return work.seconds > 0 ? attainable(c, work).seconds / work.seconds : 0;
}

}  // namespace basin
