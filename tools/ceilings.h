// What this machine can do at most, measured: the roofs of a roofline (Williams, Waterman and
// Patterson 2009).
#pragma once

#include "kernels/elementwise.h"
#include "tools/kernel_runs.h"

namespace basin {

// The triad: two arrays read, one written; its arithmetic costs no time.
inline MapRun<Add<float>> triad(const Stream& stream, int64_t n) {
  return {stream, Add<float>{}, n};
}
// The library's product of two [n, n].
inline GemmRun<float> square_product(const Stream& stream, int64_t n) {
  return {stream, {n, n, n, Transpose::No, Transpose::Yes}};
}
inline constexpr int64_t kProductSize = 384;  // as fast as any, and over in about a millisecond

// How fast bytes come and go, where a thread works on so many.
struct Bandwidth {
  double bytes_per_second = 0;  // of all threads together
  double working_set = 0;       // bytes a thread
};

struct Ceilings {
  double flops_per_second = 0;  // float32, of all threads together
  Bandwidth cache, memory;
};

// The best of a few rounds, in about half a second. Each thread has arrays and products of its own,
// as in a replay by chunks: no thread waits for another within a round.
Ceilings measure_ceilings(int threads);

}  // namespace basin
