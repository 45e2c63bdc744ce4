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

// How `count` pieces of equal work are shared out: a run of them for each thread, which is then
// alone in each; fewer pieces than threads one behind the other, all threads at work in each.
class Team {
 public:
  Team(const Stream& stream, int64_t count)
      : count_(count),
        workers_(count >= stream.threads() ? stream.threads() : 1),
        stream_(workers_ == 1 ? stream : Stream::cpu(1)) {}

  int workers() const { return workers_; }
  // The one that a worker does its pieces on.
  const Stream& stream() const { return stream_; }

  // body(worker, begin, end), each worker with what is its own.
  template <class Body>
  void run(const Body& body) const {
    if (workers_ == 1) return body(0, int64_t{0}, count_);
#pragma omp parallel for num_threads(workers_) schedule(static, 1)
    for (int worker = 0; worker < workers_; ++worker) {
      body(worker, count_ * worker / workers_, count_ * (worker + 1) / workers_);
    }
  }

 private:
  int64_t count_;
  int workers_;
  Stream stream_;
};

}  // namespace basin::cpu
