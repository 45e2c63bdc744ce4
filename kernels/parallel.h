// The element loops' share of work among the threads of a CPU stream.
#pragma once

#include <omp.h>

#include <algorithm>

#include "kernels/stream.h"

namespace basin::cpu {

// Below this many bytes one thread is done before a second has been woken (about 2 us).
inline constexpr int64_t kParallelBytes = 128 * 1024;
inline constexpr int64_t kLineBytes = 64;

// body(begin, end) over [0, n), cut into one run of whole `grain`s a thread. A stream of one
// thread, and work of few bytes, stays in the calling thread: no parallel region is opened.
template <class Body>
void parallel_ranges(const Stream& stream, int64_t n, int64_t grain, int64_t bytes,
                     const Body& body) {
  const int64_t grains = ceil_div(n, grain);
  const int threads = static_cast<int>(std::min<int64_t>(stream.threads(), grains));
  if (threads <= 1 || bytes < kParallelBytes) {
    if (n > 0) body(int64_t{0}, n);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    // The runtime may grant fewer threads than were asked for.
    const int64_t run = ceil_div<int64_t>(grains, omp_get_num_threads()) * grain;
    const int64_t begin = std::min(n, omp_get_thread_num() * run);
    const int64_t end = std::min(n, begin + run);
    if (begin < end) body(begin, end);
  }
}

}  // namespace basin::cpu
