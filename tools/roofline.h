// The roofline (Williams, Waterman and Patterson 2009): work of an arithmetic intensity I, flops a
// byte, runs at min(peak, I * bandwidth) flops a second at most.
#pragma once

#include "tools/ceilings.h"

namespace basin {

// Work done in some time, by all threads together.
struct Work {
  double seconds = 0, flops = 0, bytes = 0;
  double working_set = 0;  // bytes that a call touches, a thread

  double intensity() const { return bytes > 0 ? flops / bytes : 0; }
  double flops_per_second() const { return seconds > 0 ? flops / seconds : 0; }
  double bytes_per_second() const { return seconds > 0 ? bytes / seconds : 0; }
};

// What holds work down.
enum class Roof { Compute, Cache, Memory };
const char* roof_name(Roof roof);

struct Attainable {
  Roof roof;
  double flops_per_second;  // 0 for work without flops
  double seconds;           // that the work takes at this rate
};

// Of the two bandwidths the one whose working set is the nearer, on a logarithmic scale.
Attainable attainable(const Ceilings& ceilings, const Work& work);

// attainable().seconds / seconds: 1 is at the roof. Above 1 where an algorithm does fewer flops
// than are counted (Winograd's), and where the machine was faster than in the ceilings' rounds.
double share_of_roof(const Ceilings& ceilings, const Work& work);

}  // namespace basin
