// The diagonal network's algorithms as their papers state them, example by example in float64, and
// problems for tests.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/diagonal.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"

namespace basin::test {

using Vec = std::vector<double>;

// A problem of random numbers, each rounded to float so that every T sees the same.
struct RandomProblem {
  int64_t n, d, tests;
  std::vector<float> x, y, x_test, y_test, theta;
  RandomProblem(int64_t n, int64_t d, int64_t tests, uint64_t seed, int64_t count = 1)
      : n(n),
        d(d),
        tests(tests),
        x(random_values<float>(count * n * d, seed)),
        y(random_values<float>(count * n, seed + 1)),
        x_test(random_values<float>(count * tests * d, seed + 2)),
        y_test(random_values<float>(count * tests, seed + 3)),
        theta(random_values<float>(count * d, seed + 4)) {}
};

// One trajectory, moved by a step at a time.
class ReferenceTrajectory {
 public:
  Vec u, v;
  double integral = 0;
  Vec exponent;

  ReferenceTrajectory(const RandomProblem& p, const DiagonalTrajectory& one, Vec u, Vec v)
      : u(std::move(u)), v(std::move(v)), exponent(p.d, 0.0), p_(p), one_(one) {}

  double x(int64_t k, int64_t j) const { return p_.x[(one_.problem * p_.n + k) * p_.d + j]; }
  double residual(int64_t k, const Vec& at_u, const Vec& at_v) const {
    double r = -double{p_.y[one_.problem * p_.n + k]};
    for (int64_t j = 0; j < p_.d; ++j) r += x(k, j) * at_u[j] * at_v[j];
    return r;
  }
  // X^T (X (u o v) - y) / n
  Vec gradient(const Vec& at_u, const Vec& at_v) const {
    Vec g(p_.d, 0.0);
    for (int64_t k = 0; k < p_.n; ++k) {
      const double r = residual(k, at_u, at_v);
      for (int64_t j = 0; j < p_.d; ++j) g[j] += r * x(k, j) / p_.n;
    }
    return g;
  }
  double train_loss() const {
    double sum = 0;
    for (int64_t k = 0; k < p_.n; ++k) sum += std::pow(residual(k, u, v), 2);
    return sum / (2.0 * p_.n);
  }

  void step(int64_t sgd_example, double gamma) {
    const bool stochastic = one_.algorithm == DiagonalAlgorithm::Sgd;
    const double e = stochastic ? residual(sgd_example, u, v) : 0;
    integral += gamma * (stochastic ? e * e / 2 : train_loss());
    Vec gu(p_.d, 0.0), gv(p_.d, 0.0);
    switch (one_.algorithm) {
      case DiagonalAlgorithm::Gd: {
        const Vec g = gradient(u, v);
        add(gu, gv, 1, g, u, v);
        if (one_.normalise == Normalise::Yes) normalise(gu, gv);
        break;
      }
      case DiagonalAlgorithm::Sgd:
        add(gu, gv, residual(sgd_example, u, v), row(sgd_example), u, v);
        break;
      case DiagonalAlgorithm::NSam: {
        const Vec g = gradient(u, v);
        const auto [mu, mv] = moved(one_.radius, g);
        const Vec there = gradient(mu, mv);
        add(gu, gv, 1, there, mu, mv);
        for (int64_t j = 0; j < p_.d; ++j) exponent[j] += gamma * one_.radius * g[j] * there[j];
        break;
      }
      case DiagonalAlgorithm::OneSam:
        for (int64_t k = 0; k < p_.n; ++k) {
          const double r = residual(k, u, v);
          const auto [mu, mv] = moved(one_.radius * r, row(k));
          const double there = residual(k, mu, mv);
          const bool perturbed = one_.features == Features::Perturbed;
          add(gu, gv, there / p_.n, row(k), perturbed ? mu : u, perturbed ? mv : v);
          for (int64_t j = 0; perturbed && j < p_.d; ++j) {
            exponent[j] += gamma * one_.radius * x(k, j) * x(k, j) * r * there / p_.n;
          }
        }
        break;
    }
    const bool shrinks = one_.algorithm == DiagonalAlgorithm::Gd;
    const double decay = shrinks ? one_.decay : 0, balance = shrinks ? one_.balance : 0;
    for (int64_t j = 0; j < p_.d; ++j) {
      const double a = u[j], b = v[j];
      u[j] = a - gamma * gu[j] - decay * a - balance * a * (std::abs(a) > std::abs(b) ? 1 : -1);
      v[j] = b - gamma * gv[j] - decay * b - balance * b * (std::abs(b) > std::abs(a) ? 1 : -1);
    }
  }

 private:
  Vec row(int64_t k) const {
    Vec row(p_.d);
    for (int64_t j = 0; j < p_.d; ++j) row[j] = x(k, j);
    return row;
  }
  std::pair<Vec, Vec> moved(double s, const Vec& g) const {
    Vec mu = u, mv = v;
    for (int64_t j = 0; j < p_.d; ++j) mu[j] += s * g[j] * v[j], mv[j] += s * g[j] * u[j];
    return {mu, mv};
  }
  static void add(Vec& gu, Vec& gv, double s, const Vec& g, const Vec& at_u, const Vec& at_v) {
    for (size_t j = 0; j < g.size(); ++j) gu[j] += s * g[j] * at_v[j], gv[j] += s * g[j] * at_u[j];
  }
  static void normalise(Vec& gu, Vec& gv) {
    double uu = 0, vv = 0;
    for (const double g : gu) uu += g * g;
    for (const double g : gv) vv += g * g;
    if (uu == 0 || vv == 0) return;
    for (double& g : gu) g /= std::sqrt(uu);
    for (double& g : gv) g /= std::sqrt(vv);
  }

  const RandomProblem& p_;
  DiagonalTrajectory one_;
};

// All arrays of a call, in the memory of the stream's device.
template <class T>
struct PlacedRun {
  PlacedRun(const RandomProblem& p, const Stream& stream, std::vector<DiagonalTrajectory> all)
      : p(p),
        stream(stream),
        each(std::move(all)),
        m(static_cast<int64_t>(each.size())),
        x(stream, p.x),
        y(stream, p.y),
        x_test(stream, p.x_test),
        y_test(stream, p.y_test),
        theta(stream, p.theta),
        scratch(stream, diagonal_scratch<T>(stream, p.n, p.d, p.tests)),
        trajectories(stream, std::vector<char>(reinterpret_cast<const char*>(each.data()),
                                               reinterpret_cast<const char*>(each.data() + m))),
        u(stream, random_values<T>(m * p.d, 91, 0.5)),
        v(stream, random_values<T>(m * p.d, 92, 0.5)),
        exponent(stream, Vec(m * p.d, 0.0)),
        integral(stream, Vec(m, 0.0)),
        diverged(stream, std::vector<int64_t>(m, -1)) {}

  // Runs on, and returns the rows: [m, logged, kDiagonalColumns].
  std::vector<T> run(int64_t steps, const std::vector<int64_t>& logged = {}) {
    const Placed<int64_t> log(stream, logged), halve(stream, halvings);
    const auto count = static_cast<int64_t>(logged.size());
    Placed<T> rows(stream, m * count * kDiagonalColumns);
    diagonal_run<T>(
        stream, {p.n, p.d, p.tests, x.data(), y.data(), x_test.data(), y_test.data(), theta.data()},
        m, reinterpret_cast<const DiagonalTrajectory*>(trajectories.data()),
        {done, steps, halve.data(), halve.size(), log.data(), count, draws, 0},
        {u.data(), v.data(), exponent.data(), integral.data(), diverged.data(), rows.data()},
        scratch.data());
    done += steps;
    EXPECT_TRUE(rows.intact() && u.intact() && v.intact() && exponent.intact() &&
                integral.intact() && diverged.intact() && scratch.intact() && x.intact());
    return rows.values();
  }
  // What a run leaves, as one vector.
  std::vector<T> state() const {
    std::vector<T> all = u.values();
    for (const auto* more : {&v, &exponent, &integral}) {
      const std::vector<T> values = more->values();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

  const RandomProblem& p;
  Stream stream;
  std::vector<DiagonalTrajectory> each;
  int64_t m, done = 0;
  std::vector<int64_t> halvings;
  const int32_t* draws = nullptr;  // on the device, one row for all problems
  Placed<T> x, y, x_test, y_test, theta, scratch;
  Placed<char> trajectories;
  Placed<T> u, v, exponent, integral;
  Placed<int64_t> diverged;
};

}  // namespace basin::test
