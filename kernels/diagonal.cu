// The CUDA side of a diagonal network's trajectories: a block for each, all steps in one launch.
#include "kernels/diagonal.cuh"

#include "kernels/launch.cuh"

namespace basin::cuda {
namespace {

// Boards of 8 KiB leave room for 24 blocks and more on a multiprocessor (n = 20, d = 30 in float64
// takes 5.6 KiB); larger ones have what a block gets without being asked for.
constexpr int kSmallBytes = 8 * 1024, kLargeBytes = 46 * 1024, kSmallThreads = 128;

}  // namespace

template <class T>
void diagonal_run(const Stream& stream, const DiagonalProblems<T>& problems, int64_t m,
                  const DiagonalTrajectory* each, const DiagonalSchedule& schedule,
                  const DiagonalState<T>& state) {
  if (m == 0) return;
  const auto wide = round_up<int64_t>(std::max(problems.n, problems.d), kWarpSize);
  const Grid grid{m, static_cast<int>(wide)};
  constexpr int kSmall = kSmallBytes / sizeof(T), kLarge = kLargeBytes / sizeof(T);
  if (wide <= kSmallThreads && diagonal_board(problems.n, problems.d) <= kSmall) {
    launch<DiagonalBody<T, kSmall, kSmallThreads>>(stream, "diagonal", grid, problems, m, each,
                                                   schedule, state);
  } else {
    launch<DiagonalBody<T, kLarge, kDiagonalCudaSide>>(stream, "diagonal", grid, problems, m, each,
                                                       schedule, state);
  }
}

template void diagonal_run(const Stream&, const DiagonalProblems<float>&, int64_t,
                           const DiagonalTrajectory*, const DiagonalSchedule&,
                           const DiagonalState<float>&);
template void diagonal_run(const Stream&, const DiagonalProblems<double>&, int64_t,
                           const DiagonalTrajectory*, const DiagonalSchedule&,
                           const DiagonalState<double>&);

}  // namespace basin::cuda
