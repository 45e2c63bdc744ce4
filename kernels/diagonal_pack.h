// One trajectory, or W side by side, on a CPU: the steps, in vectors of W values of T.
#pragma once

#include "kernels/diagonal_problem.h"

namespace basin::cpu {

// Trajectories begin, ..., begin + count - 1 of a call; they share all but their rates.
struct PackRange {
  int64_t begin, count;
};

template <class Lanes, class T, int W>
class DiagonalPack {
 public:
  using V = Vector<T, W>;
  static constexpr int kTrajectories = Lanes::kTrajectories, kParts = Lanes::kParts;

  static int64_t size(int64_t n, int64_t d) {
    return 8 * kTrajectories * padded<T>(d) + 2 * kTrajectories * padded<T>(n) + 3 * padded<T>(d);
  }

  DiagonalPack(const PreparedProblem<T>& problem, const DiagonalTrajectory* each,
               const DiagonalSchedule& schedule, const DiagonalState<T>& state, PackRange range,
               T* scratch)
      : p_(problem),
        each_(each),
        first_(each[range.begin]),
        schedule_(schedule),
        state_(state),
        range_(range),
        coordinates_(Lanes::vectors(p_.d)),
        examples_(Lanes::vectors(p_.n)) {
    std::fill(scratch, scratch + size(p_.n, p_.d), T(0));
    Pieces<T> pieces(scratch);
    for (T** of : {&u_, &v_, &exponent_, &beta_, &squares_, &moved_u_, &moved_v_, &g_}) {
      *of = pieces.take(kTrajectories * padded<T>(p_.d));
    }
    for (T** of : {&r_, &moved_r_}) {
      *of = pieces.take(kTrajectories * padded<T>(p_.n));
    }
    for (T** of : {&lane_u_, &lane_v_, &lane_beta_}) *of = pieces.take(p_.d);
    for (int lane = 0; lane < W; ++lane) {
      const DiagonalTrajectory& one = each[trajectory(lane)];
      gamma_[lane] = static_cast<T>(one.gamma), radius_[lane] = static_cast<T>(one.radius);
      decay_[lane] = static_cast<T>(one.decay), balance_[lane] = static_cast<T>(one.balance);
      shrinks_ = shrinks_ || one.decay != 0 || one.balance != 0;
    }
    for (int lane = 0; lane < kTrajectories; ++lane) {
      const int64_t from = trajectory(lane) * p_.d;
      for (int64_t j = 0; j < p_.d; ++j) {
        u_[at(j, lane)] = state.u[from + j], v_[at(j, lane)] = state.v[from + j];
        exponent_[at(j, lane)] = state.exponent[from + j];
      }
    }
  }

  void run() {
    const DiagonalSchedule& s = schedule_;
    int64_t halvings = 0, logs = 0;
    const auto halve = [&](int64_t before) {
      for (; halvings < s.halving_count && s.halvings[halvings] < before; ++halvings) {
        gamma_ *= T(0.5);
      }
    };
    halve(s.first);
    update_beta();
    predict_first();
    for (int64_t i = s.first; i < s.first + s.steps; ++i) {
      step(i);
      halve(i + 1);
      if (logs < s.log_count && s.logged[logs] == i) log(logs++);
    }
    finish();
  }

 private:
  // The trajectory of a lane; lanes without one repeat the last.
  int64_t trajectory(int lane) const {
    return range_.begin + std::min<int64_t>(lane, range_.count - 1);
  }
  static int64_t at(int64_t i, int lane) { return kTrajectories == 1 ? i : i * W + lane; }
  static V& vec(T* array, int64_t o) { return vector_at<T, W>(array, o); }

  template <class Finish>
  void over_examples(const T* matrix, const T* x, const Finish& finish) const {
    product<Lanes, T, W>(matrix, p_.example_stride(), p_.d, x, p_.n, finish);
  }
  template <class Finish>
  void over_coordinates(const T* matrix, const T* x, const Finish& finish) const {
    product<Lanes, T, W>(matrix, p_.coordinate_stride(), p_.n, x, p_.d, finish);
  }

  void update_beta() {
    for (int64_t o = 0; o < coordinates_; ++o) vec(beta_, o) = vec(u_, o) * vec(v_, o);
  }
  // r at beta; |r|^2 in the parts of its sum (kParts).
  void residual(V (&loss)[kParts]) {
    over_examples(p_.by_coordinate, beta_,
                  [&](int64_t o, const V& sum) { vec(r_, o) = sum - Lanes::shared(p_.y, o); });
    for (V& part : loss) part = V{};
    for (int64_t o = 0; o < examples_; o += kParts) {  // zeros behind the last
      for (int part = 0; part < kParts; ++part) loss[part] += vec(r_, o + part) * vec(r_, o + part);
    }
  }
  // Sums the loss before an update, and counts it if it is finite.
  void note_loss(const V (&loss)[kParts]) {
    count_finite(loss);
    const V rate = gamma_ * (T(0.5) * inverse_n_);
    for (int part = 0; part < kParts; ++part) integral_[part] += rate * loss[part];
  }
  void count_finite(const V (&loss)[kParts]) {
    V all = loss[0];
    for (int part = 1; part < kParts; ++part) all += loss[part];
    finite_ += all - all == V{} ? V{} + T(1) : V{};
  }

  void step(int64_t i) {
    if (first_.algorithm == DiagonalAlgorithm::Sgd) {
      return descend_example(i + 1);
    }
    V loss[kParts];
    residual(loss);
    note_loss(loss);
    switch (first_.algorithm) {
      case DiagonalAlgorithm::Gd:
      case DiagonalAlgorithm::Sgd:
        return first_.normalise == Normalise::Yes ? descend_normalised() : descend_along(r_);
      case DiagonalAlgorithm::NSam:
        return descend_from_perturbed();
      case DiagonalAlgorithm::OneSam:
        return descend_per_example_points();
    }
  }

  // u, v -= gamma g o (v, u), g = X^T weights / n. (Two loops, not a branch in one: what g++ moves
  // out of a branch it does not contract with the rest, here or there.)
  void descend_along(const T* weights) {
    const V rate = gamma_ * inverse_n_;
    if (shrinks_) {
      return over_coordinates(p_.by_example, weights, [&](int64_t o, const V& g) {
        V &u = vec(u_, o), &v = vec(v_, o);
        const V gu = g * v, gv = g * u;
        descend_shrinking(u, v, gu, gv, rate, decay_, balance_);
        vec(beta_, o) = u * v;
      });
    }
    over_coordinates(p_.by_example, weights, [&](int64_t o, const V& g) {
      V &u = vec(u_, o), &v = vec(v_, o);
      const V gu = g * v, gv = g * u;
      u -= rate * gu;
      v -= rate * gv;
      vec(beta_, o) = u * v;
    });
  }

  // The gradients of u and v, each divided by its norm, if neither norm is 0. (g_ is n times g.)
  void descend_normalised() {
    V norm_u, norm_v;
    over_coordinates(p_.by_example, r_, [&](int64_t o, const V& g) { vec(g_, o) = g; });
    const auto square_with = [this](T* other) {
      return [this, other](int64_t o, V& sum) {
        const V product = vec(g_, o) * vec(other, o);
        sum += product * product;
      };
    };
    total<Lanes, T, W>(coordinates_, square_with(v_), norm_u);
    total<Lanes, T, W>(coordinates_, square_with(u_), norm_v);
    for (int l = 0; l < W; ++l) {
      const bool none = !(norm_u[l] > 0 && norm_v[l] > 0);
      norm_u[l] = none ? static_cast<T>(p_.n) : std::sqrt(norm_u[l]);
      norm_v[l] = none ? static_cast<T>(p_.n) : std::sqrt(norm_v[l]);
    }
    for (int64_t o = 0; o < coordinates_; ++o) {
      V &u = vec(u_, o), &v = vec(v_, o);
      const V g = vec(g_, o), gu = g * v / norm_u, gv = g * u / norm_v;
      descend_shrinking(u, v, gu, gv, gamma_, decay_, balance_);
      vec(beta_, o) = u * v;
    }
  }

  int64_t example_at(int64_t i) const {
    const int64_t last = schedule_.first + schedule_.steps - 1;
    return example_of(schedule_, first_, p_.n, std::min(i, last));
  }
  const T* row(int64_t example) const { return p_.by_example + example * p_.coordinate_stride(); }

  void predict_first() {
    if (first_.algorithm != DiagonalAlgorithm::Sgd || schedule_.steps == 0) return;
    example_ = example_at(schedule_.first);
    const T* x = row(example_);
    const auto add = [&](int64_t o, V& sum) { sum += Lanes::shared(x, o) * vec(beta_, o); };
    total<Lanes, T, W>(coordinates_, add, prediction_);
  }

  // Along example_'s gradient. What iteration `next` predicts of its example is summed on the way:
  // u and v are read and written once a step.
  void descend_example(int64_t next) {
    const V e = prediction_ - p_.y[example_];
    V loss[kParts]{};
    loss[0] = static_cast<T>(p_.n) * (e * e);  // the example stands for all
    if constexpr (kTrajectories == 1) {
      for (int lane = 1; lane < W; ++lane) loss[0][lane] = 0;
    }
    note_loss(loss);
    const V rate = gamma_ * e;
    const T* x = row(example_);
    example_ = example_at(next);
    const T* next_x = row(example_);
    const auto descend = [&](int64_t o, V& sum) {
      V &u = vec(u_, o), &v = vec(v_, o);
      const V g = rate * Lanes::shared(x, o), gu = g * v, gv = g * u;
      u -= gu;
      v -= gv;
      sum += Lanes::shared(next_x, o) * (u * v);
    };
    V sum;  // built in a register
    total<Lanes, T, W>(coordinates_, descend, sum);
    prediction_ = sum;
  }

  void descend_from_perturbed() {
    const V rate = gamma_ * inverse_n_, radius = radius_ * inverse_n_;
    over_coordinates(p_.by_example, r_, [&](int64_t o, const V& g) {
      const V u = vec(u_, o), v = vec(v_, o), s = radius * g;
      vec(g_, o) = s;
      vec(moved_u_, o) = u + s * v;
      vec(moved_v_, o) = v + s * u;
      vec(beta_, o) = vec(moved_u_, o) * vec(moved_v_, o);
    });
    over_examples(p_.by_coordinate, beta_,
                  [&](int64_t o, const V& sum) { vec(r_, o) = sum - Lanes::shared(p_.y, o); });
    over_coordinates(p_.by_example, r_, [&](int64_t o, const V& there) {
      V &u = vec(u_, o), &v = vec(v_, o);
      const V g = rate * there;
      vec(exponent_, o) += g * vec(g_, o);
      u -= g * vec(moved_v_, o);
      v -= g * vec(moved_u_, o);
      vec(beta_, o) = u * v;
    });
  }

  void descend_per_example_points() {
    for (int64_t o = 0; o < coordinates_; ++o) {
      vec(squares_, o) = vec(u_, o) * vec(u_, o) + vec(v_, o) * vec(v_, o);
    }
    over_examples(p_.squares, squares_, [&](int64_t o, const V& sum) { vec(moved_r_, o) = sum; });
    over_examples(p_.cubes, beta_, [&](int64_t o, const V& cubes) {
      V &r = vec(r_, o), &moved = vec(moved_r_, o);
      const V squares = moved;
      perturb_residual<V>(r, squares, cubes, radius_, moved);
      r = radius_ * (moved * r);
    });
    if (first_.features == Features::Plain) return descend_along(moved_r_);
    over_coordinates(p_.by_example, moved_r_, [&](int64_t o, const V& a) { vec(g_, o) = a; });
    const V rate = gamma_ * inverse_n_;
    over_coordinates(p_.squares_by_example, r_, [&](int64_t o, const V& b) {
      V &u = vec(u_, o), &v = vec(v_, o);
      vec(exponent_, o) += rate * b;
      descend_per_example<V>(u, v, vec(g_, o), b, rate);
      vec(beta_, o) = u * v;
    });
  }

  // Of a lane: the loss integral from the call's start.
  T integral_of(int lane) const {
    T sum = 0;
    for (int l = 0; l < W; ++l) {
      sum += kTrajectories == 1 ? integral_[0][l] : integral_[kParts == 1 ? 0 : l][lane];
    }
    return sum;
  }

  void log(int64_t row) {
    for (int lane = 0; lane < (kTrajectories == 1 ? 1 : range_.count); ++lane) {
      for (int64_t j = 0; j < p_.d; ++j) {
        lane_u_[j] = u_[at(j, lane)], lane_v_[j] = v_[at(j, lane)];
      }
      const int64_t m = trajectory(lane);
      measure<T, W>(p_, each_[m].alpha, lane_u_, lane_v_, lane_beta_,
                    state_.integral[m] + integral_of(lane),
                    state_.rows + (m * schedule_.log_count + row) * kDiagonalColumns);
    }
  }

  void finish() {
    update_beta();  // SGD keeps none
    V loss[kParts];
    residual(loss);
    count_finite(loss);
    for (int lane = 0; lane < (kTrajectories == 1 ? 1 : range_.count); ++lane) {
      const int64_t m = trajectory(lane);
      T finite = finite_[lane];
      for (int l = 0; l < W && kTrajectories == 1; ++l) finite = std::min(finite, finite_[l]);
      const auto updates = static_cast<int64_t>(finite);
      if (state_.diverged[m] < 0 && updates <= schedule_.steps) {
        state_.diverged[m] = schedule_.first + std::max<int64_t>(0, updates - 1);
      }
      state_.integral[m] += integral_of(lane);
      for (int64_t j = 0; j < p_.d; ++j) {
        state_.u[m * p_.d + j] = u_[at(j, lane)], state_.v[m * p_.d + j] = v_[at(j, lane)];
        state_.exponent[m * p_.d + j] = exponent_[at(j, lane)];
      }
    }
  }

  const PreparedProblem<T>& p_;
  const DiagonalTrajectory* each_;
  const DiagonalTrajectory& first_;
  const DiagonalSchedule& schedule_;
  const DiagonalState<T>& state_;
  PackRange range_;
  int64_t coordinates_, examples_;  // vectors
  T inverse_n_ = T(1) / static_cast<T>(p_.n);
  V gamma_{}, radius_{}, decay_{}, balance_{};
  V integral_[kParts]{}, finite_{};  // of the call; how many losses were finite
  int64_t example_ = 0;              // SGD: the next iteration's, and what is predicted of it
  V prediction_{};
  bool shrinks_ = false;
  // Of coordinates; of examples.
  T *u_, *v_, *exponent_, *beta_, *squares_, *moved_u_, *moved_v_, *g_;
  T *r_, *moved_r_;
  T *lane_u_, *lane_v_, *lane_beta_;  // of one trajectory that is measured
};

}  // namespace basin::cpu
