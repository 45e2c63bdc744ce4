// Trajectories of a diagonal linear network, f(x) = <x, u o v>, with the loss |X (u o v) - y|^2 /
// (2n): GD, SGD, n-SAM and 1-SAM as in Andriushchenko & Flammarion 2022, "Towards Understanding
// Sharpness-Aware Minimization". A call runs many steps of many trajectories; nothing but what is
// logged leaves the cache, or a GPU's shared memory, between them.
//
// With r = X (u o v) - y, g = X^T r / n, D = u^2 - v^2 and step size gamma, one step is
//   GD     u -= gamma g o v,  v -= gamma g o u             D+ = D (1 - gamma^2 g^2)
//   SGD    the same with g = r_i x_i of one example i
//   n-SAM  u' = u + rho g o v, v' = v + rho g o u, g' the gradient there: u -= gamma g' o v', ...
//                                    D+ = D ((1 - gamma rho g g')^2 - gamma^2 g'^2)
//   1-SAM  the same with u', v', r' of each example, along r_k x_k with radius c. The sum over
//          examples of r'_k x_k o v'_k, v'_k = v + c r_k x_k o u, is n (A o v + B o u) with
//          A = X^T r' / n and B = c (X o X)^T (r' o r) / n, and as
//          u'_k o v'_k = (1 + s^2) u o v + s (u^2 + v^2), s = c r_k x_k,
//          r'_k = r_k + c r_k <x_k^2, u^2 + v^2> + c^2 r_k^2 <x_k^3, u o v>: five products with
//          matrices of n x d do for all examples.  D+ = D ((1 - gamma B)^2 - gamma^2 A^2)
#pragma once

#include <cstdint>

#include "kernels/cost.h"
#include "kernels/sam.h"

namespace basin {

enum class DiagonalAlgorithm { Gd, Sgd, NSam, OneSam };
// Where 1-SAM takes its gradient's features: at u', v', or (ablation) at u, v; then B is 0.
enum class Features { Perturbed, Plain };

struct DiagonalTrajectory {
  DiagonalAlgorithm algorithm = DiagonalAlgorithm::Gd;
  Normalise normalise = Normalise::No;      // GD: the gradients of u and v, each by its own norm
  Features features = Features::Perturbed;  // 1-SAM
  int64_t problem = 0;
  uint64_t seed = 0;   // of SGD's examples, where none are given
  double alpha = 0.1;  // u at the start; for the potential
  double gamma = 0;    // step size
  double radius = 0;   // n-SAM: rho; 1-SAM: c, which is 2 rho in the paper's code
  double decay = 0;    // GD: u -= decay u, not times gamma
  double balance = 0;  // GD: the larger of |u_j|, |v_j| shrinks by it, the smaller grows
};

// `count` problems of one size, one behind the other.
template <class T>
struct DiagonalProblems {
  int64_t n, d, tests;       // tests may be 0
  const T *x, *y;            // [count, n, d], [count, n]
  const T *x_test, *y_test;  // [count, tests, d], [count, tests]
  const T* theta;            // [count, d], or null
};

// Iterations first, ..., first + steps - 1 of every trajectory; iteration i is update i + 1.
struct DiagonalSchedule {
  int64_t first, steps;
  const int64_t* halvings;  // gamma is halved behind these iterations; they rise
  int64_t halving_count;
  const int64_t* logged;  // behind these a row is written; they rise, from `first` on
  int64_t log_count;
  const int32_t* draws;  // SGD's examples, [problems, draw_stride], from `first` on; null:
  int64_t draw_stride;   // bounded(philox_at(seed, Purpose::Shuffle, 0, i), n)
};

// What a row of the log has. Without test examples test_loss is NaN, without theta error is.
enum DiagonalColumn {
  kTrainLoss,
  kTestLoss,
  kL1,             // |beta|_1, beta = u o v
  kErrorSquared,   // |beta - theta|^2
  kScaleMean,      // the mean over j of sqrt|D_j|, the effective scale
  kDifferenceMax,  // max |D_j|
  kPotential,      // sum_j a^2 q(beta_j / a^2), a = alpha / 2: see potential_term()
  kLossIntegral,   // the sum of gamma times the loss before each update (SGD: of its example)
  kDiagonalColumns
};

// Of `m` trajectories; read, and written when the steps are done.
template <class T>
struct DiagonalState {
  T *u, *v;           // [m, d]
  T* exponent;        // [m, d]: the flow multiplies sqrt|D_j| by exp(-exponent_j); the sum of
                      // gamma rho g g' (n-SAM), of gamma B (1-SAM)
  T* integral;        // [m]: kLossIntegral
  int64_t* diverged;  // [m]: the first iteration behind which that loss was not finite, or -1
  T* rows;            // [m, log_count, kDiagonalColumns]; written only
};

// Multiply-adds count two. GD 2, n-SAM 4, 1-SAM 5 products of n x d; without what is logged.
constexpr int64_t diagonal_step_flops(const DiagonalTrajectory& one, int64_t n, int64_t d) {
  switch (one.algorithm) {
    case DiagonalAlgorithm::Gd:
      return 4 * n * d;
    case DiagonalAlgorithm::Sgd:
      return 4 * d;
    case DiagonalAlgorithm::NSam:
      return 8 * n * d;
    case DiagonalAlgorithm::OneSam:
      return (one.features == Features::Perturbed ? 10 : 8) * n * d;
  }
  return 0;
}

// The greatest n and d of a CUDA stream; a CPU has no limit.
inline constexpr int64_t kDiagonalCudaSide = 384;

// Elements of T that diagonal_run() needs as scratch on the stream (0 on CUDA).
template <class T>
int64_t diagonal_scratch(const Stream& stream, int64_t n, int64_t d, int64_t tests);

// Runs the schedule. each: [m]. All arrays lie in the stream's memory. Neighbours that share
// algorithm, options, problem and seed run side by side in a CPU's vector lanes; to the same bytes
// as alone. On CUDA a trajectory has a block, in one launch; n, d <= kDiagonalCudaSide there.
template <class T>
void diagonal_run(const Stream& stream, const DiagonalProblems<T>& problems, int64_t m,
                  const DiagonalTrajectory* each, const DiagonalSchedule& schedule,
                  const DiagonalState<T>& state, T* scratch);

namespace cuda {
template <class T>
void diagonal_run(const Stream& stream, const DiagonalProblems<T>& problems, int64_t m,
                  const DiagonalTrajectory* each, const DiagonalSchedule& schedule,
                  const DiagonalState<T>& state);
}

}  // namespace basin
