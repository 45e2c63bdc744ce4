// Training of one-hidden-layer ReLU networks against its definition, unit by unit and point by
// point in float64; how a run ends; alone, side by side and in parts.
#include "kernels/relu1d.h"

#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

using Vec = std::vector<double>;

template <class T>
class Relu1dTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Relu1dTest, Scalars);

struct Problem {
  int64_t units, n, m;
  Vec x, y, weights;  // rounded to float

  Problem(int64_t units_, int64_t n_, int64_t m_ = 1) : units(units_), n(n_), m(m_) {
    const auto draw = [](int64_t count, uint64_t seed) {
      const std::vector<float> values = random_values<float>(count, seed);
      return Vec(values.begin(), values.end());
    };
    x = draw(n, 1), y = draw(n, 2), weights = draw(m * 3 * units, 3);
  }
};

// The networks in memory of their own, each array between sentinels.
template <class T>
struct Trained {
  Problem p;
  Guarded<T> x, y, weights;
  std::vector<Relu1dProgress> progress;

  explicit Trained(const Problem& problem)
      : p(problem), x(p.x), y(p.y, 1), weights(p.weights, 3), progress(p.m) {}

  void run(const Relu1dRule& rule, int64_t until, int threads = 1) {
    const Stream stream = Stream::cpu(threads);
    Guarded<T> scratch(relu1d_scratch<T>(stream, p.units, p.n, p.m), 1);  // poisoned
    relu1d_run<T>(stream, {p.n, x.data(), y.data()}, p.units, p.m, rule, until, weights.data(),
                  progress.data(), scratch.data());
    EXPECT_TRUE(x.intact() && y.intact() && weights.intact() && scratch.intact());
  }
};

// The definition: f and the gradient by the chain rule, nothing shared between units or points.
struct Reference {
  const Problem& p;
  Vec theta;  // w, b, a
  double loss = 0, perturbed = 0;

  double value(const Vec& at, int64_t k) const {
    double f = 0;
    for (int64_t j = 0; j < p.units; ++j) {
      f += at[2 * p.units + j] * std::max(0.0, at[j] * p.x[k] + at[p.units + j]);
    }
    return f;
  }
  double loss_at(const Vec& at) const {
    double sum = 0;
    for (int64_t k = 0; k < p.n; ++k) sum += 0.5 * std::pow(value(at, k) - p.y[k], 2);
    return sum;
  }
  Vec gradient(const Vec& at) const {
    Vec g(3 * p.units, 0.0);
    for (int64_t k = 0; k < p.n; ++k) {
      const double r = value(at, k) - p.y[k];
      for (int64_t j = 0; j < p.units; ++j) {
        const double z = at[j] * p.x[k] + at[p.units + j], a = at[2 * p.units + j];
        if (!(z > 0)) continue;
        g[j] += r * a * p.x[k];
        g[p.units + j] += r * a;
        g[2 * p.units + j] += r * z;
      }
    }
    return g;
  }
  void step(const Relu1dRule& rule, int64_t t) {
    loss = loss_at(theta);
    Vec there = theta;
    if (rule.rho > 0) {
      const Vec g = gradient(theta);
      double squares = 0;
      for (const double v : g) squares += v * v;
      const double by = rule.normalise == Normalise::Yes ? std::sqrt(squares) : 1;
      for (size_t i = 0; i < g.size(); ++i) there[i] += rule.rho * g[i] / by;
    }
    perturbed = loss_at(there);
    const double gamma =
        rule.decay_steps == 0
            ? rule.gamma
            : rule.gamma * std::max(0.0, 1 - static_cast<double>(t) / rule.decay_steps);
    const Vec g = gradient(there);
    for (size_t i = 0; i < g.size(); ++i) theta[i] -= gamma * g[i];
  }
};

std::vector<Relu1dRule> all_rules(double gamma) {
  return {{.gamma = gamma},
          {.gamma = gamma, .decay_steps = 6},  // at rest from step 6 on
          {.gamma = gamma, .rho = 0.1},
          {.gamma = gamma, .rho = 0.1, .decay_steps = 40},
          {.gamma = gamma, .rho = 0.01, .normalise = Normalise::No}};
}

TYPED_TEST(Relu1dTest, StepsAreTheirDefinitions) {
  using T = TypeParam;
  constexpr int64_t kSteps = 10;
  for (const int64_t units : {1, 2, 7, 8, 9, 15, 16, 17, 33, 100}) {
    for (const int64_t n : {1, 3, 4, 8, 12, 15, 16, 17, 40}) {
      const Problem p(units, n);
      for (const Relu1dRule& rule : all_rules(0.1 / static_cast<double>(units * n))) {
        SCOPED_TRACE(testing::Message() << units << " units, " << n << " points, rho " << rule.rho);
        Trained<T> run(p);
        Reference r{p, p.weights};
        run.run(rule, kSteps);
        for (int64_t t = 1; t <= kSteps; ++t) r.step(rule, t);
        const double growth = 8.0 * kSteps * std::sqrt(static_cast<double>(units + n));
        EXPECT_TRUE(all_close(run.weights.values(), r.theta, growth, 2));
        const Relu1dProgress& found = run.progress[0];
        EXPECT_EQ(found.steps, kSteps);
        EXPECT_EQ(found.end, Relu1dEnd::None);
        const double scale = growth * eps_of<T>() * std::sqrt(static_cast<double>(units)) * 10;
        EXPECT_NEAR(found.loss, r.loss, scale * (1 + r.loss));
        EXPECT_NEAR(found.loss_perturbed, r.perturbed, scale * (1 + r.perturbed));
        if (rule.rho == 0) {
          EXPECT_EQ(found.loss, found.loss_perturbed);
        }
      }
    }
  }
}

// On its kink a unit is at rest, as PyTorch's relu is.
TYPED_TEST(Relu1dTest, AUnitOnItsKinkDoesNotMove) {
  Problem p(2, 1);
  p.x = {0.5}, p.y = {3};
  p.weights = {1, 2, -0.5, -1, 4, 5};
  Trained<TypeParam> run(p);
  run.run({.gamma = 0.1, .rho = 0.3}, 5);
  EXPECT_TRUE(all_close(run.weights.values(), p.weights, 0));
  EXPECT_EQ(run.progress[0].loss, 4.5);
  EXPECT_EQ(run.progress[0].loss_perturbed, 4.5);  // a gradient of 0 has no direction
}

TYPED_TEST(Relu1dTest, TheStepThatFindsTheLossIsTheLast) {
  using T = TypeParam;
  const Problem p(100, 12);
  Relu1dRule rule{.gamma = 1e-3, .rho = 0.05};
  // The losses of each step.
  Vec plain, perturbed;
  std::vector<std::vector<T>> weights;
  Trained<T> stepwise(p);
  for (int64_t t = 1; t <= 60; ++t) {
    stepwise.run(rule, t);
    plain.push_back(stepwise.progress[0].loss);
    perturbed.push_back(stepwise.progress[0].loss_perturbed);
    weights.push_back(stepwise.weights.values());
  }
  for (const WatchedLoss watched : {WatchedLoss::Plain, WatchedLoss::Perturbed}) {
    const Vec& losses = watched == WatchedLoss::Plain ? plain : perturbed;
    rule.watched = watched, rule.enough = losses[40];
    const auto first = std::find_if(losses.begin(), losses.end(),
                                    [&](double loss) { return loss <= rule.enough; });
    Trained<T> run(p);
    run.run(rule, 1000);
    const auto last = static_cast<size_t>(first - losses.begin());
    EXPECT_EQ(run.progress[0].steps, static_cast<int64_t>(last) + 1);
    EXPECT_EQ(run.progress[0].end, Relu1dEnd::Fitted);
    EXPECT_TRUE(same_bytes(run.weights.values(), weights[last]));
    run.run(rule, 2000);  // it stays there
    EXPECT_EQ(run.progress[0].steps, static_cast<int64_t>(last) + 1);
    EXPECT_TRUE(same_bytes(run.weights.values(), weights[last]));
  }
}

TYPED_TEST(Relu1dTest, DivergenceIsNoticed) {
  for (const double rho : {0.0, 0.1}) {
    Trained<TypeParam> run(Problem(100, 12));
    run.run({.gamma = 10, .rho = rho}, 10'000);
    EXPECT_EQ(run.progress[0].end, Relu1dEnd::Diverged);
    EXPECT_LT(run.progress[0].steps, 100);
    EXPECT_FALSE(std::isfinite(run.progress[0].loss) &&
                 std::isfinite(run.progress[0].loss_perturbed));
  }
}

// Several networks by one thread or by several, and in parts: the bytes of each alone.
TYPED_TEST(Relu1dTest, SideBySideAndInParts) {
  using T = TypeParam;
  const Problem p(33, 12, 5);
  const Relu1dRule rule{.gamma = 1e-3, .rho = 0.1, .decay_steps = 100};
  Trained<T> all(p);
  all.run(rule, 50);
  for (const int threads : {2, 3, 8}) {
    Trained<T> again(p);
    for (const int64_t until : {1, 20, 20, 50}) again.run(rule, until, threads);
    EXPECT_TRUE(same_bytes(again.weights.values(), all.weights.values())) << threads;
    EXPECT_EQ(again.progress[4].loss, all.progress[4].loss);
  }
  for (int64_t i = 0; i < p.m; ++i) {
    Problem alone(33, 12);
    const auto begin = p.weights.begin() + i * 99;
    alone.weights.assign(begin, begin + 99);
    Trained<T> one(alone);
    one.run(rule, 50);
    const std::vector<T> values = all.weights.values();
    EXPECT_TRUE(same_bytes(one.weights.values(),
                           std::vector<T>(values.begin() + i * 99, values.begin() + i * 99 + 99)));
  }
}

TEST(Relu1d, FlopsOfAStep) {
  EXPECT_EQ(relu1d_step_flops({.gamma = 1}, 100, 12), 12'000);
  EXPECT_EQ(relu1d_step_flops({.gamma = 1, .rho = 0.3}, 100, 12), 24'000);
}

}  // namespace
}  // namespace basin::test
