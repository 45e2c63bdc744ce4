// A diagonal network's trajectory as a body: a block has one at a time, its thread t coordinate t
// and example t. u, v and all that they gather stay in registers, X in shared memory where there is
// room, from the first step to the last.
#pragma once

#include "kernels/diagonal_rules.h"

namespace basin {

// What a block's threads show each other.
template <class T>
struct DiagonalBoard {
  T *beta, *squares;  // [d]
  T *r, *moved;       // [n]
  const T* x;         // [n, stride]
  int64_t stride;     // odd in shared memory: a column's values lie in different banks
};

// Elements of the board at stride d + 1 or d; X is left where it is if they are too many.
BASIN_HD int64_t diagonal_board(int64_t n, int64_t d) {
  return 2 * (n + d) + n * (d | 1);
}

// kPool: elements of the board; kThreads: the most threads of a block.
template <class T, int kPool, int kThreads>
struct DiagonalBody {
  static constexpr int kMaxThreads = kThreads;
  static constexpr int kResidentBlocks = 384 / kThreads;  // 168 registers a thread
  struct Shared {
    T pool[kPool];
    double partial[kMaxWarps];
  };

  template <class Block>
  struct Thread {
    Block& block;
    Shared& shared;
    const DiagonalProblems<T>& p;
    const DiagonalTrajectory& one;
    const DiagonalSchedule& s;
    DiagonalBoard<T> board;
    int64_t rank, offset;  // offset: of its problem, in examples
    bool has_j, has_k;
    T u, v, exponent, gamma, y, r, integral, finite;

    BASIN_DEVICE T residual_here() const {
      const T* row = board.x + rank * board.stride;
      T even = 0, odd = 0;
      int64_t j = 0;
      for (; j + 1 < p.d; j += 2) {
        even += row[j] * board.beta[j];
        odd += row[j + 1] * board.beta[j + 1];
      }
      if (j < p.d) even += row[j] * board.beta[j];
      return even + odd - y;
    }
    // sum_k x_kj^power weights_k
    template <int kPower>
    BASIN_DEVICE T column_sum(const T* weights) const {
      const auto term = [&](int64_t k) {
        const T x = board.x[k * board.stride + rank];
        return (kPower == 1 ? x : x * x) * weights[k];
      };
      T even = 0, odd = 0;
      int64_t k = 0;
      for (; k + 1 < p.n; k += 2) {
        even += term(k);
        odd += term(k + 1);
      }
      if (k < p.n) even += term(k);
      return even + odd;
    }
    BASIN_DEVICE T inverse_n() const { return T(1) / static_cast<T>(p.n); }
    BASIN_DEVICE T total(T value) {
      return static_cast<T>(block_sum(block, shared.partial, static_cast<double>(value)));
    }

    // Shows beta and u^2 + v^2 of all coordinates; r of its example.
    BASIN_DEVICE void residual() {
      if (has_j) {
        board.beta[rank] = u * v;
        board.squares[rank] = u * u + v * v;
      }
      block.sync();
      if (!has_k) return;
      r = residual_here();
    }
    // Its example's part of the loss, `term` = r^2, before an update.
    BASIN_DEVICE void note_loss(T term) {
      count_finite(term);
      integral += gamma * (T(0.5) * inverse_n()) * term;
    }
    BASIN_DEVICE void count_finite(T term) { finite += term - term == T(0) ? T(1) : T(0); }
    // X^T weights / n at its coordinate; weight: of its example.
    BASIN_DEVICE T gradient(T weight) {
      if (has_k) board.r[rank] = inverse_n() * weight;
      block.sync();
      return has_j ? column_sum<1>(board.r) : T(0);
    }

    BASIN_DEVICE void descend(T gu, T gv) {
      descend_shrinking<T>(u, v, gu, gv, gamma, static_cast<T>(one.decay),
                           static_cast<T>(one.balance));
    }
    BASIN_DEVICE void descend_gradient() {
      const T g = gradient(r);
      T gu = g * v, gv = g * u;
      if (one.normalise == Normalise::Yes) {
        using std::sqrt;
        const T norm_u = sqrt(total(gu * gu)), norm_v = sqrt(total(gv * gv));
        if (norm_u > 0 && norm_v > 0) gu /= norm_u, gv /= norm_v;
      }
      descend(gu, gv);
    }
    BASIN_DEVICE void descend_example(int64_t example) {
      const T x = has_j ? board.x[example * board.stride + rank] : T(0);
      const T e = total(x * (u * v)) - p.y[offset + example];
      // It stands for all of them.
      if (rank == example) {
        integral += gamma * T(0.5) * (e * e);
      }
      if (has_k) count_finite(e * e);
      descend(e * x * v, e * x * u);
    }
    BASIN_DEVICE void descend_from_perturbed() {
      const T g = gradient(r), s = static_cast<T>(one.radius) * g;
      const T moved_u = u + s * v, moved_v = v + s * u;
      if (has_j) board.beta[rank] = moved_u * moved_v;
      block.sync();
      const T moved_g = gradient(has_k ? residual_here() : T(0));
      exponent += gamma * moved_g * s;
      u -= gamma * moved_g * moved_v;
      v -= gamma * moved_g * moved_u;
    }
    BASIN_DEVICE void descend_per_example_points() {
      const T radius = static_cast<T>(one.radius);
      T moved = 0;
      if (has_k) {
        const T* row = board.x + rank * board.stride;
        T squares = 0, cubes = 0;
        for (int64_t j = 0; j < p.d; ++j) {
          const T x2 = row[j] * row[j];
          squares += x2 * board.squares[j];
          cubes += x2 * row[j] * board.beta[j];
        }
        perturb_residual<T>(r, squares, cubes, radius, moved);
        board.moved[rank] = inverse_n() * radius * (moved * r);
      }
      const T a = gradient(moved);
      if (one.features == Features::Plain) return descend(a * v, a * u);
      const T b = has_j ? column_sum<2>(board.moved) : T(0);
      exponent += gamma * b;
      descend_per_example<T>(u, v, a, b, gamma);
    }

    BASIN_DEVICE void step(int64_t i) {
      if (one.algorithm == DiagonalAlgorithm::Sgd) {
        return descend_example(example_of(s, one, p.n, i));
      }
      residual();
      if (has_k) note_loss(r * r);
      switch (one.algorithm) {
        case DiagonalAlgorithm::Gd:
        case DiagonalAlgorithm::Sgd:
          return descend_gradient();
        case DiagonalAlgorithm::NSam:
          return descend_from_perturbed();
        case DiagonalAlgorithm::OneSam:
          return descend_per_example_points();
      }
    }

    // Of the test examples' squared errors, this thread's part.
    BASIN_DEVICE double test_part() const {
      double sum = 0;
      for (int64_t k = rank; k < p.tests; k += block.num_threads()) {
        const int64_t example = one.problem * p.tests + k;
        T found = 0;
        for (int64_t j = 0; j < p.d; ++j) found += p.x_test[example * p.d + j] * board.beta[j];
        const double error = found - p.y_test[example];
        sum += error * error;
      }
      return sum;
    }

    // before: the loss integral at the call's start.
    BASIN_DEVICE void log(T before, T* row) {
      residual();
      const auto put = [&](int column, double value) {
        if (rank == 0) row[column] = static_cast<T>(value);
      };
      const auto sum = [&](double value) { return block_sum(block, shared.partial, value); };
      const double nan = __builtin_nan(""), of_n = 0.5 / static_cast<double>(p.n);
      put(kTrainLoss, of_n * sum(has_k ? double{r} * r : 0));
      const double test = sum(test_part());
      put(kTestLoss, p.tests > 0 ? 0.5 / static_cast<double>(p.tests) * test : nan);
      const T* theta = p.theta == nullptr ? nullptr : p.theta + one.problem * p.d;
      const CoordinateTerms c =
          has_j ? coordinate_terms(u, v, theta == nullptr ? 0 : theta[rank], one.alpha)
                : CoordinateTerms{};
      put(kL1, sum(c.l1));
      const double error = sum(c.error);
      put(kErrorSquared, theta == nullptr ? nan : error);
      put(kScaleMean, sum(c.scale) / static_cast<double>(p.d));
      put(kDifferenceMax, block_max(block, shared.partial, c.difference));
      put(kPotential, sum(c.potential));
      put(kLossIntegral, before + sum(has_k ? integral : T(0)));
      block.sync();
    }
  };

  template <class Block>
  BASIN_DEVICE void operator()(Block& block, Shared& shared, DiagonalProblems<T> p, int64_t m,
                               const DiagonalTrajectory* each, DiagonalSchedule s,
                               DiagonalState<T> state) const {
    for (int64_t i = block.block_rank(); i < m; i += block.num_blocks()) {
      run(block, shared, p, i, each[i], s, state);
    }
  }

 private:
  template <class Block>
  BASIN_DEVICE static DiagonalBoard<T> fill_board(Block& block, Shared& shared,
                                                  const DiagonalProblems<T>& p, int64_t problem) {
    T* pool = shared.pool;
    DiagonalBoard<T> board{pool, pool + p.d, pool + 2 * p.d, pool + 2 * p.d + p.n, nullptr, p.d};
    const T* x = p.x + problem * p.n * p.d;
    board.x = x;
    if (diagonal_board(p.n, p.d) <= kPool) {
      T* own = pool + 2 * (p.d + p.n);
      board.stride = p.d | 1;
      for (int64_t i = block.thread_rank(); i < p.n * p.d; i += block.num_threads()) {
        own[i / p.d * board.stride + i % p.d] = x[i];
      }
      board.x = own;
    }
    return board;
  }

  template <class Block>
  BASIN_DEVICE static void run(Block& block, Shared& shared, const DiagonalProblems<T>& p,
                               int64_t m, const DiagonalTrajectory& one, const DiagonalSchedule& s,
                               const DiagonalState<T>& state) {
    block.sync();  // the trajectory before
    const int64_t rank = block.thread_rank(), at = m * p.d + rank, offset = one.problem * p.n;
    const bool has_j = rank < p.d, has_k = rank < p.n;
    Thread<Block> thread{block,
                         shared,
                         p,
                         one,
                         s,
                         fill_board(block, shared, p, one.problem),
                         rank,
                         offset,
                         has_j,
                         has_k,
                         has_j ? state.u[at] : T(0),
                         has_j ? state.v[at] : T(0),
                         has_j ? state.exponent[at] : T(0),
                         static_cast<T>(one.gamma),
                         has_k ? p.y[offset + rank] : T(0),
                         T(0),
                         T(0),
                         T(0)};
    block.sync();
    int64_t halvings = 0, logs = 0;
    const T before = state.integral[m];
    for (int64_t i = s.first; i <= s.first + s.steps; ++i) {
      for (; halvings < s.halving_count && s.halvings[halvings] < i; ++halvings) {
        thread.gamma *= T(0.5);
      }
      if (i == s.first + s.steps) break;
      thread.step(i);
      block.sync();  // all have read the board
      if (logs < s.log_count && s.logged[logs] == i) {
        thread.log(before, state.rows + (m * s.log_count + logs++) * kDiagonalColumns);
      }
    }
    thread.residual();
    if (has_k) thread.count_finite(thread.r * thread.r);
    const double finite =
        -block_max(block, shared.partial, has_k ? -double{thread.finite} : -1e300);
    const T sum =
        static_cast<T>(block_sum(block, shared.partial, has_k ? double{thread.integral} : 0.0));
    if (rank == 0) {
      if (state.diverged[m] < 0 && finite <= static_cast<double>(s.steps)) {
        state.diverged[m] = s.first + (finite < 1 ? 0 : static_cast<int64_t>(finite) - 1);
      }
      state.integral[m] = before + sum;
    }
    if (has_j) {
      state.u[at] = thread.u, state.v[at] = thread.v, state.exponent[at] = thread.exponent;
    }
  }
};

}  // namespace basin
