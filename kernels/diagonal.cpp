// The CPU side of a diagonal network's trajectories: which of them run side by side, and on which
// thread.
#include "kernels/diagonal.h"

#include "kernels/diagonal_pack.h"
#include "kernels/error.h"
#include "kernels/has_cuda.h"
#include "kernels/parallel.h"

namespace basin {
namespace cpu {
namespace {

bool alike(const DiagonalTrajectory& a, const DiagonalTrajectory& b) {
  return a.algorithm == b.algorithm && a.normalise == b.normalise && a.features == b.features &&
         a.problem == b.problem && a.seed == b.seed;
}

// Calls f(range) for each pack of at most `width` trajectories, in order. Half a pack or less is
// faster one by one.
template <class F>
void each_pack(int64_t m, const DiagonalTrajectory* each, int64_t width, const F& f) {
  for (int64_t begin = 0; begin < m;) {
    int64_t end = begin + 1;
    while (end < m && end - begin < width && alike(each[begin], each[end])) ++end;
    if (end - begin <= width / 2) end = begin + 1;
    f(PackRange{begin, end - begin});
    begin = end;
  }
}

// The most that a worker needs at any vector width: a problem, and a pack of whole cache lines.
template <class T>
int64_t worker_scratch(int64_t n, int64_t d, int64_t tests) {
  constexpr int kWidth = 64 / sizeof(T);
  return PreparedProblem<T>::size(n, d, tests) +
         DiagonalPack<Across<T, kWidth>, T, kWidth>::size(n, d);
}

// The packs [first, last). kFloats: how many a vector has.
template <class T, int kFloats>
void run_packs(const DiagonalProblems<T>& problems, int64_t m, const DiagonalTrajectory* each,
               const DiagonalSchedule& schedule, const DiagonalState<T>& state, int64_t first,
               int64_t last, T* scratch) {
  constexpr int W = kFloats * static_cast<int>(sizeof(float)) / static_cast<int>(sizeof(T));
  PreparedProblem<T> problem(problems, scratch);
  scratch += PreparedProblem<T>::size(problems.n, problems.d, problems.tests);
  int64_t prepared = -1, pack = 0;
  each_pack(m, each, W, [&](const PackRange& range) {
    const int64_t index = pack++;
    if (index < first || index >= last) return;
    if (each[range.begin].problem != prepared) {
      prepared = each[range.begin].problem;
      problem.fill(problems, prepared);
    }
    if (range.count == 1) {
      DiagonalPack<Along<T, W>, T, W>(problem, each, schedule, state, range, scratch).run();
    } else {
      DiagonalPack<Across<T, W>, T, W>(problem, each, schedule, state, range, scratch).run();
    }
  });
}

template <class T>
void diagonal_run(const Stream& stream, const DiagonalProblems<T>& problems, int64_t m,
                  const DiagonalTrajectory* each, const DiagonalSchedule& schedule,
                  const DiagonalState<T>& state, T* scratch) {
  const int64_t size = worker_scratch<T>(problems.n, problems.d, problems.tests);
  while (reinterpret_cast<uintptr_t>(scratch) % 64 != 0) ++scratch;  // vectors within cache lines
  const int floats = isa() == Isa::Avx512 ? 16 : isa() == Isa::Avx2 ? 8 : 4;
  int64_t packs = 0;
  each_pack(m, each, floats * 4 / static_cast<int>(sizeof(T)), [&](const PackRange&) { ++packs; });
  Team(stream, packs).run([&](int worker, int64_t begin, int64_t end) {
    vectorised_by_width([&](auto width) {
      run_packs<T, decltype(width)::value>(problems, m, each, schedule, state, begin, end,
                                           scratch + worker * size);
    });
  });
}

}  // namespace
}  // namespace cpu

template <class T>
int64_t diagonal_scratch(const Stream& stream, int64_t n, int64_t d, int64_t tests) {
  return stream.is_cuda() ? 0
                          : stream.threads() * cpu::worker_scratch<T>(n, d, tests) + 64 / sizeof(T);
}

template <class T>
void diagonal_run(const Stream& stream, const DiagonalProblems<T>& problems, int64_t m,
                  const DiagonalTrajectory* each, const DiagonalSchedule& schedule,
                  const DiagonalState<T>& state, T* scratch) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      BASIN_CHECK(std::max(problems.n, problems.d) <= kDiagonalCudaSide, "[diagonal]",
                  "found {} examples of {} features, expected at most {} of each on a GPU",
                  problems.n, problems.d, kDiagonalCudaSide);
      return cuda::diagonal_run(stream, problems, m, each, schedule, state);
    }
  }
  cpu::diagonal_run(stream, problems, m, each, schedule, state, scratch);
}

template int64_t diagonal_scratch<float>(const Stream&, int64_t, int64_t, int64_t);
template int64_t diagonal_scratch<double>(const Stream&, int64_t, int64_t, int64_t);
template void diagonal_run(const Stream&, const DiagonalProblems<float>&, int64_t,
                           const DiagonalTrajectory*, const DiagonalSchedule&,
                           const DiagonalState<float>&, float*);
template void diagonal_run(const Stream&, const DiagonalProblems<double>&, int64_t,
                           const DiagonalTrajectory*, const DiagonalSchedule&,
                           const DiagonalState<double>&, double*);

}  // namespace basin
