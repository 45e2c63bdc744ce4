// Trajectories of a diagonal network against the algorithms as they are defined, example by example
// in float64; what is exact in a step; alone, in a sweep, in parts and on every device.
#include "kernels/diagonal.h"

#include "kernels/diagonal.cuh"
#include "kernels/error.h"
#include "kernels/random.h"
#include "kernels/simd.h"
#include "tests/support/block.h"
#include "tests/support/diagonal_reference.h"

namespace basin::test {
namespace {

template <class T>
class DiagonalTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(DiagonalTest, Scalars);

// Every algorithm with every option of its own.
std::vector<DiagonalTrajectory> all_algorithms() {
  using enum DiagonalAlgorithm;
  std::vector<DiagonalTrajectory> all(9);
  for (DiagonalTrajectory& one : all) one.gamma = 0.05, one.radius = 0.2, one.seed = 3;
  all[1].decay = 0.01;
  all[2].balance = 0.02;
  all[3].normalise = Normalise::Yes;
  all[4].normalise = Normalise::Yes, all[4].decay = 0.03, all[4].balance = 0.02;
  all[5].algorithm = Sgd;
  all[6].algorithm = NSam;
  all[7].algorithm = OneSam;
  all[8].algorithm = OneSam, all[8].features = Features::Plain;
  return all;
}

Vec row_of(const RandomProblem& p, const DiagonalTrajectory& one, const ReferenceTrajectory& r) {
  double test = 0, l1 = 0, error = 0, scale = 0, largest = 0, potential = 0;
  for (int64_t k = 0; k < p.tests; ++k) {
    double e = -double{p.y_test[k]};
    for (int64_t j = 0; j < p.d; ++j) e += double{p.x_test[k * p.d + j]} * r.u[j] * r.v[j];
    test += e * e / (2.0 * p.tests);
  }
  for (int64_t j = 0; j < p.d; ++j) {
    const double beta = r.u[j] * r.v[j], gap = std::abs(r.u[j] * r.u[j] - r.v[j] * r.v[j]);
    const double a2 = one.alpha * one.alpha / 4, z = beta / a2;
    l1 += std::abs(beta);
    error += std::pow(beta - p.theta[j], 2);
    scale += std::sqrt(gap) / p.d;
    largest = std::max(largest, gap);
    potential += a2 * (2 - std::sqrt(4 + z * z) + z * std::asinh(z / 2));
  }
  return {r.train_loss(), test, l1, error, scale, largest, potential, r.integral};
}

TYPED_TEST(DiagonalTest, StepsAreTheirDefinitions) {
  using T = TypeParam;
  struct Size {
    int64_t n, d, tests;
  };
  constexpr int64_t kSteps = 12;
  for (const auto& [n, d, tests] : {Size{1, 1, 1},
                                    {3, 2, 5},
                                    {20, 30, 65},
                                    {7, 33, 9},
                                    {33, 17, 8},
                                    {5, 70, 31},
                                    {4, 8, 16},
                                    {300, 3, 2}}) {
    SCOPED_TRACE(testing::Message() << n << " x " << d);
    const RandomProblem p(n, d, tests, 5);
    auto each = all_algorithms();
    const double scale = std::min(1.0, 10.0 / static_cast<double>(d));  // or many features diverge
    for (DiagonalTrajectory& one : each) one.gamma *= scale, one.radius *= scale;
    const PlacedRun<T> start(p, Stream::cpu(1), each);
    const std::vector<T> u = start.u.values(), v = start.v.values();
    for (const Stream& stream : streams({1, 2})) {
      PlacedRun<T> run(p, stream, each);
      run.halvings = {4, 7};
      const std::vector<T> rows = run.run(kSteps, {2, kSteps - 1});
      for (size_t m = 0; m < each.size(); ++m) {
        SCOPED_TRACE(testing::Message() << "trajectory " << m << ", " << name(stream));
        const auto from = static_cast<std::ptrdiff_t>(m) * d;
        ReferenceTrajectory r(p, each[m], Vec(u.begin() + from, u.begin() + from + d),
                              Vec(v.begin() + from, v.begin() + from + d));
        Vec logged;
        for (int64_t i = 0; i < kSteps; ++i) {
          const auto index = static_cast<uint64_t>(i);
          const int64_t example = bounded(philox_at(3, Purpose::Shuffle, 0, index), n);
          r.step(example, each[m].gamma / (i <= 4 ? 1 : i <= 7 ? 2 : 4));
          if (i == 2 || i == kSteps - 1) {
            for (const double value : row_of(p, each[m], r)) logged.push_back(value);
          }
        }
        const double growth = 40.0 * kSteps * std::sqrt(static_cast<double>(n + d));
        const auto part = [&](const std::vector<T>& all, size_t size) {
          return std::vector<T>(all.begin() + m * size, all.begin() + (m + 1) * size);
        };
        const size_t coordinates = d;
        EXPECT_TRUE(all_close(part(run.u.values(), coordinates), r.u, growth, 1));
        EXPECT_TRUE(all_close(part(run.v.values(), coordinates), r.v, growth, 1));
        EXPECT_TRUE(all_close(part(run.exponent.values(), coordinates), r.exponent, growth, 1));
        EXPECT_TRUE(all_close(part(run.integral.values(), 1), {r.integral}, growth, 1));
        EXPECT_TRUE(all_close(part(rows, 2 * kDiagonalColumns), logged, growth, 1));
        EXPECT_EQ(run.diverged[static_cast<int64_t>(m)], -1);
      }
    }
  }
}

// D = u^2 - v^2 after one step, from D before it: exact identities (paper: section on the flow).
TEST(Diagonal, TheIdentitiesOfAStep) {
  const int64_t n = 20, d = 30;
  const RandomProblem p(n, d, 0, 11);
  std::vector<DiagonalTrajectory> each{all_algorithms()[0], all_algorithms()[6],
                                       all_algorithms()[7], all_algorithms()[8]};
  PlacedRun<double> run(p, Stream::cpu(1), each);
  for (int step = 0; step < 20; ++step) {
    const Vec u = run.u.values(), v = run.v.values();
    run.run(1);
    for (size_t m = 0; m < each.size(); ++m) {
      const double gamma = each[m].gamma, rho = each[m].radius;
      const auto from = static_cast<std::ptrdiff_t>(m) * d;
      const Vec a(u.begin() + from, u.begin() + from + d),
          b(v.begin() + from, v.begin() + from + d);
      const ReferenceTrajectory at(p, each[m], a, b);
      const Vec g = at.gradient(a, b);
      Vec moved_a = a, moved_b = b, big_a(d, 0.0), big_b(d, 0.0);
      for (int64_t j = 0; j < d; ++j)
        moved_a[j] += rho * g[j] * b[j], moved_b[j] += rho * g[j] * a[j];
      const Vec there = at.gradient(moved_a, moved_b);
      for (int64_t k = 0; k < n; ++k) {
        const double r = at.residual(k, a, b);
        Vec ua = a, vb = b;
        for (int64_t j = 0; j < d; ++j) {
          ua[j] += rho * r * at.x(k, j) * b[j], vb[j] += rho * r * at.x(k, j) * a[j];
        }
        const double moved = at.residual(k, ua, vb);
        for (int64_t j = 0; j < d; ++j) {
          big_a[j] += moved * at.x(k, j) / n;
          big_b[j] += rho * moved * r * at.x(k, j) * at.x(k, j) / n;
        }
      }
      for (int64_t j = 0; j < d; ++j) {
        const double before = a[j] * a[j] - b[j] * b[j];
        const double kept =
            m == 0 ? 1 - std::pow(gamma * g[j], 2)
            : m == 1
                ? std::pow(1 - gamma * rho * g[j] * there[j], 2) - std::pow(gamma * there[j], 2)
            : m == 2 ? std::pow(1 - gamma * big_b[j], 2) - std::pow(gamma * big_a[j], 2)
                     : 1 - std::pow(gamma * big_a[j], 2);
        const double after_u = run.u[from + j], after_v = run.v[from + j];
        EXPECT_NEAR(after_u * after_u - after_v * after_v, before * kept, 1e-14) << m << " " << j;
      }
    }
  }
}

// From v = 0 the gradient of u is 0, and has no norm to be divided by: a plain step.
TYPED_TEST(DiagonalTest, ANormOfZeroDividesNothing) {
  using T = TypeParam;
  const RandomProblem p(20, 30, 0, 13);
  for (const Stream& stream : streams({1})) {
    for (const size_t m : {1, 16}) {  // alone, and in lanes
      PlacedRun<T> run(p, stream, std::vector<DiagonalTrajectory>(m, all_algorithms()[3]));
      for (int64_t i = 0; i < run.v.size(); ++i) run.v.set(i, 0);
      const std::vector<T> u = run.u.values();
      ReferenceTrajectory r(p, run.each[0], Vec(u.begin(), u.begin() + 30), Vec(30, 0.0));
      run.run(2);
      for (int i = 0; i < 2; ++i) r.step(0, run.each[0].gamma);
      const std::vector<T> after_u = run.u.values(), after_v = run.v.values();
      EXPECT_TRUE(all_close(std::vector<T>(after_u.begin(), after_u.begin() + 30), r.u, 200, 1));
      EXPECT_TRUE(all_close(std::vector<T>(after_v.begin(), after_v.begin() + 30), r.v, 200, 1));
    }
  }
}

// Side by side in vector lanes, with 1 thread or 2, at any number of trajectories: the bytes of
// each alone.
TYPED_TEST(DiagonalTest, ASweepIsItsTrajectories) {
  using T = TypeParam;
  const RandomProblem p(20, 30, 33, 21, 2);
  std::vector<DiagonalTrajectory> each;
  for (const DiagonalTrajectory& one : all_algorithms()) {
    for (int k = 0; k < 21; ++k) {
      each.push_back(one);
      each.back().gamma *= 1 + 0.01 * k;
      each.back().radius *= 1 + 0.1 * k;
      each.back().problem = k >= 18 ? 1 : 0;
    }
  }
  const std::vector<int64_t> logged{0, 13, 49};
  SameOnEachDevice<T> same_rows, same_state;
  for (const Stream& stream : streams({1, 2})) {
    PlacedRun<T> all(p, stream, each);
    const std::vector<T> rows = all.run(50, logged);
    EXPECT_TRUE(same_rows(stream, rows)) << name(stream);
    EXPECT_TRUE(same_state(stream, all.state())) << name(stream);
    if (stream.is_cuda()) continue;  // a block alone there
    const PlacedRun<T> start(p, stream, each);
    for (size_t m = 0; m < each.size(); m += 4) {
      PlacedRun<T> one(p, stream, {each[m]});
      for (int64_t j = 0; j < p.d; ++j) {
        one.u.set(j, start.u[static_cast<int64_t>(m) * p.d + j]);
        one.v.set(j, start.v[static_cast<int64_t>(m) * p.d + j]);
      }
      const size_t size = logged.size() * kDiagonalColumns;
      const std::vector<T> alone = one.run(50, logged);
      EXPECT_TRUE(
          same_bytes(alone, std::vector<T>(rows.begin() + m * size, rows.begin() + (m + 1) * size)))
          << m;
    }
  }
}

// The whole schedule at once, or cut: the same bytes but for the integral's, which is summed in the
// parts of the cut; halvings and drawn examples go by the iteration.
TYPED_TEST(DiagonalTest, PartsAreTheWhole) {
  using T = TypeParam;
  const RandomProblem p(7, 11, 3, 31);
  for (const Stream& stream : streams({1})) {
    PlacedRun<T> whole(p, stream, all_algorithms()), cut(p, stream, all_algorithms());
    whole.halvings = cut.halvings = {3, 17, 18, 40};
    const std::vector<T> rows = whole.run(50, {49});
    cut.run(17);
    cut.run(1);
    cut.run(0);
    const std::vector<T> last = cut.run(32, {49});
    EXPECT_TRUE(same_bytes(whole.u.values(), cut.u.values())) << name(stream);
    EXPECT_TRUE(same_bytes(whole.v.values(), cut.v.values())) << name(stream);
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_NEAR(rows[i], last[i], 60 * eps_of<T>() * std::abs(rows[i])) << i << name(stream);
    }
  }
}

TEST(Diagonal, SgdTakesTheExamplesThatItIsGiven) {
  const RandomProblem p(9, 5, 0, 41);
  std::vector<int32_t> draws;
  for (uint64_t i = 0; i < 40; ++i) {
    draws.push_back(static_cast<int32_t>(bounded(philox_at(3, Purpose::Shuffle, 0, i), 9)));
  }
  for (const Stream& stream : streams({1})) {
    PlacedRun<double> drawn(p, stream, {all_algorithms()[5]}),
        given(p, stream, {all_algorithms()[5]});
    const Placed<int32_t> examples(stream, draws);
    given.draws = examples.data();
    drawn.run(40);
    given.run(40);
    EXPECT_TRUE(same_bytes(drawn.state(), given.state())) << name(stream);
  }
}

// 1-SAM of too large a radius; its neighbours in the lanes go on.
TYPED_TEST(DiagonalTest, WhatDivergesIsMarkedAndTheRestGoesOn) {
  using T = TypeParam;
  const RandomProblem p(20, 30, 4, 51);
  std::vector<DiagonalTrajectory> each(17, all_algorithms()[7]);
  for (const size_t m : {3, 16}) each[m].radius = 40;
  for (const Stream& stream : streams({1, 2})) {
    PlacedRun<T> run(p, stream, each);
    const std::vector<T> rows = run.run(30, {29});
    for (size_t m = 0; m < each.size(); ++m) {
      const int64_t found = run.diverged[static_cast<int64_t>(m)];
      const bool finite = std::isfinite(rows[m * kDiagonalColumns + kTrainLoss]);
      EXPECT_EQ(found < 0, each[m].radius < 40) << m << name(stream);
      EXPECT_EQ(finite, found < 0) << m << name(stream);
      if (found < 0) continue;
      PlacedRun<T> again(p, stream, each);  // finite to the step before, and never again
      std::vector<int64_t> every(30);
      for (int64_t i = 0; i < 30; ++i) every[i] = i;
      const std::vector<T> log = again.run(30, every);
      for (int64_t i = 0; i < 30; ++i) {
        const T loss = log[(static_cast<int64_t>(m) * 30 + i) * kDiagonalColumns + kTrainLoss];
        EXPECT_EQ(std::isfinite(loss), i < found) << i << name(stream);
      }
      PlacedRun<T> cut(p, stream, each);
      cut.run(found + 1);
      cut.run(5);
      EXPECT_EQ(cut.diverged[static_cast<int64_t>(m)], found) << name(stream);
    }
  }
}

// 300 steps on each device, from one state: 1e-12 apart at most, relative to the loss's size.
TEST(Diagonal, DevicesAgree) {
  const RandomProblem p(20, 30, 40, 61);
  auto each = all_algorithms();
  each[3].gamma = each[4].gamma = 0.001;  // a normalised step of 0.05 never settles
  PlacedRun<double> cpu(p, Stream::cpu(1), each);
  const std::vector<double> expected = cpu.run(300, {299});
  for (const Stream& stream : streams({2})) {
    PlacedRun<double> run(p, stream, each);
    const std::vector<double> found = run.run(300, {299});
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 1e-12 * std::max(1.0, std::abs(expected[i]))) << i;
    }
    const auto state = run.state(), reference = cpu.state();
    for (size_t i = 0; i < state.size(); ++i) EXPECT_NEAR(state[i], reference[i], 1e-12) << i;
  }
}

// The body on real threads; X in shared memory, and where it lies if that is too small.
TEST(Diagonal, TheBodyIsTheLoop) {
  const RandomProblem p(6, 9, 5, 71);
  for (const auto& one : all_algorithms()) {
    PlacedRun<double> expected(p, Stream::cpu(1), {one});
    const Vec rows = expected.run(8, {3, 7});
    const auto check = [&]<int kPool>() {
      PlacedRun<double> run(p, Stream::cpu(1), {one});
      const std::vector<int64_t> logged{3, 7};
      Guarded<double> found(2 * kDiagonalColumns);
      run_blocks<DiagonalBody<double, kPool, 32>>(
          1, 32,
          DiagonalProblems<double>{p.n, p.d, p.tests, run.x.data(), run.y.data(), run.x_test.data(),
                                   run.y_test.data(), run.theta.data()},
          int64_t{1}, run.each.data(),
          DiagonalSchedule{0, 8, nullptr, 0, logged.data(), 2, nullptr, 0},
          DiagonalState<double>{run.u.data(), run.v.data(), run.exponent.data(),
                                run.integral.data(), run.diverged.data(), found.data()});
      EXPECT_TRUE(all_close(found.span(), rows, 200, 1));
      EXPECT_TRUE(all_close(run.state(), expected.state(), 200, 1));
      EXPECT_TRUE(found.intact() && run.u.intact());
    };
    check.operator()<256>();
    check.operator()<32>();
  }
}

TEST(Diagonal, AGpuHasALimit) {
  if (cuda_device_count() == 0) return;
  const RandomProblem p(2, kDiagonalCudaSide, 0, 81), wide(2, kDiagonalCudaSide + 1, 0, 81);
  const Stream stream = Stream::cuda(0);
  DiagonalTrajectory one = all_algorithms()[7];
  one.gamma = one.radius = 0.001;
  PlacedRun<double> fits(p, stream, {one}), cpu(p, Stream::cpu(1), {one});
  fits.run(5);
  cpu.run(5);
  EXPECT_TRUE(all_close(fits.state(), cpu.state(), 1000, 1));
  PlacedRun<double> exceeds(wide, stream, {one});
  EXPECT_THROW(exceeds.run(5), Error);
}

}  // namespace
}  // namespace basin::test
