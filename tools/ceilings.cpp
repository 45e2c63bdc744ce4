#include "tools/ceilings.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace basin {
namespace {

constexpr int64_t kCacheFloats = 1 << 15;   // 3 arrays, 384 KiB a thread: a second-level cache
constexpr int64_t kMemoryFloats = 1 << 24;  // 3 arrays, 192 MiB, shared out among the threads

constexpr double kEnough = 0.3;  // seconds

struct Rates {
  double bytes, flops;  // a second
};

// What all threads together do a second, in the best round: each runs what make_run(stream) makes
// `calls` times a round. Slow rounds are fewer: none after the first that ends behind kEnough.
template <class Make>
Rates best_rates(int threads, int rounds, int calls, const Make& make_run) {
  using Clock = std::chrono::steady_clock;
  std::vector<Clock::time_point> start(threads), end(threads);
  double least = INFINITY, spent = 0, bytes = 0, flops = 0;
#pragma omp parallel num_threads(threads) reduction(+ : bytes, flops)
  {
    const Stream stream = Stream::cpu(1);
    auto run = make_run(stream);  // the thread that works on it touches it first
    run.run(stream);
    bytes += calls * static_cast<double>(run.cost().bytes());
    flops += calls * static_cast<double>(run.cost().flops);
    for (int round = 0; round < rounds && spent < kEnough; ++round) {
      const int me = omp_get_thread_num();
#pragma omp barrier
      start[me] = Clock::now();
      for (int i = 0; i < calls; ++i) run.run(stream);
      end[me] = Clock::now();
#pragma omp barrier
#pragma omp single
      {
        const auto first = *std::min_element(start.begin(), start.begin() + omp_get_num_threads());
        const auto last = *std::max_element(end.begin(), end.begin() + omp_get_num_threads());
        const double seconds = std::chrono::duration<double>(last - first).count();
        least = std::min(least, seconds);
        spent += seconds;
      }
    }
  }
  return {bytes / least, flops / least};
}

Bandwidth triad_bandwidth(int threads, int rounds, int calls, int64_t n) {
  const Rates best =
      best_rates(threads, rounds, calls, [&](const Stream& stream) { return triad(stream, n); });
  return {best.bytes, static_cast<double>(element_cost<Add<float>, float>(n).bytes())};
}

}  // namespace

// Rounds of about a millisecond: on a shared machine some pass without another program's turn.
Ceilings measure_ceilings(int threads) {
  const auto product = [](const Stream& stream) { return square_product(stream, kProductSize); };
  return {best_rates(threads, 60, 1, product).flops,
          triad_bandwidth(threads, 60, 200, kCacheFloats),
          triad_bandwidth(threads, 8, 1, kMemoryFloats / threads)};
}

}  // namespace basin
