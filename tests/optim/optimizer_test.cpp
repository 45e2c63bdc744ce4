// Each optimiser against a few lines of independent arithmetic, on a quadratic with known gradient.
#include "optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/random.h"
#include "optim/sam.h"

namespace basin {
namespace {

// L(w) = 1/2 sum a_i w_i^2, gradient a w.
struct Quadratic final : Objective {
  std::vector<double> a{1.5, -0.7, 3.0, 0.2, 2.2};
  std::vector<Track> tracks;
  void differentiate(const Arena& at, Arena& gradient, Track track) override {
    tracks.push_back(track);
    for (size_t i = 0; i < a.size(); ++i) gradient.as<double>()[i] = a[i] * at.as<double>()[i];
  }
};

struct Fixture {
  Stream stream = Stream::cpu(1);
  LayoutPtr layout;
  Quadratic objective;
  Arena w;
  std::vector<double> start{0.5, -1.25, 2.0, 0.75, -0.3};

  Fixture() {
    Layout l;
    l.add("w", Role::Weight, Shape{5});
    layout = std::make_shared<const Layout>(l);
    w = Arena(stream, layout, DType::Float64);
    w.write(stream, layout->entries()[0], start);
  }
  std::vector<double> weights() { return w.read(stream, layout->entries()[0]); }
  std::unique_ptr<Optimizer> make(OptimizerOptions o) {
    return make_optimizer(stream, layout, DType::Float64, o);
  }
};

constexpr double kRate = 0.1;

double norm(const std::vector<double>& x) {
  double s = 0;
  for (const double v : x) s += v * v;
  return std::sqrt(s);
}

// Independent SGD, as torch.optim.SGD is documented.
struct PlainSgd {
  double mu, decay;
  bool nesterov, decoupled;
  std::vector<double> v = std::vector<double>(5, 0.0);
  void operator()(std::vector<double>& w, const std::vector<double>& g, double lr) {
    for (size_t i = 0; i < w.size(); ++i) {
      const double d = g[i] + (decoupled ? 0 : decay * w[i]);
      v[i] = mu * v[i] + d;
      const double update = mu == 0 ? d : nesterov ? d + mu * v[i] : v[i];
      w[i] = w[i] - lr * update - (decoupled ? lr * decay * w[i] : 0);
    }
  }
};

TEST(Optimizer, TenStepsOfEveryForm) {
  for (const bool sam : {false, true}) {
    for (const double mu : {0.0, 0.9}) {
      for (const bool nesterov : {false, true}) {
        for (const bool decoupled : {false, true}) {
          for (const bool normalise : {false, true}) {
            Fixture f;
            OptimizerOptions o;
            o.name = sam ? "sam" : "sgd";
            o.rho = 0.3;
            o.normalise = normalise ? Normalise::Yes : Normalise::No;
            o.descent = {mu, 0.01, nesterov ? Nesterov::Yes : Nesterov::No,
                         decoupled ? Decay::Decoupled : Decay::L2};
            const auto optimizer = f.make(o);
            PlainSgd sgd{mu, 0.01, nesterov, decoupled};
            std::vector<double> w = f.start;
            for (int step = 0; step < 10; ++step) {
              const double lr = 0.1 / (1 + step);
              optimizer->step(f.objective, f.w, &lr);
              std::vector<double> g(5), h(5);
              for (int i = 0; i < 5; ++i) g[i] = f.objective.a[i] * w[i];
              const double s = !sam ? 0 : normalise ? 0.3 / (norm(g) + 1e-12) : 0.3;
              for (int i = 0; i < 5; ++i) h[i] = f.objective.a[i] * (w[i] + s * g[i]);
              sgd(w, h, lr);
              const auto got = f.weights();
              for (int i = 0; i < 5; ++i) ASSERT_NEAR(got[i], w[i], 1e-13);
            }
          }
        }
      }
    }
  }
}

// Each step's eps is rho / sqrt(5) times five normal numbers of its own.
TEST(RandomPerturbation, TakesEachGradientAtAnotherPoint) {
  Fixture f;
  OptimizerOptions o;
  o.name = "random";
  o.rho = 0.3;
  o.seed = 11;
  o.descent.momentum = 0;
  const auto optimizer = f.make(o);
  std::vector<double> w = f.start;
  const auto step = [&](int k, bool ascends) {
    optimizer->set_ascent(ascends);
    optimizer->step(f.objective, f.w, &kRate);
    for (int i = 0; i < 5; ++i) {
      const double xi = normal(philox_at(11, Purpose::Perturb, k, i));
      const double eps = ascends ? 0.3 / std::sqrt(5.0) * xi : 0;
      w[i] -= kRate * f.objective.a[i] * (w[i] + eps);
      ASSERT_NEAR(f.weights()[i], w[i], 1e-13) << "step " << k;
      if (!ascends) continue;
      Arena found(f.stream, f.layout, DType::Float64);
      optimizer->epsilon(found);
      EXPECT_NEAR(found.as<double>()[i], eps, 1e-15);
    }
  };
  for (int k = 0; k < 3; ++k) step(k, true);
  step(3, false);
  optimizer->start_at(7);
  step(7, true);
}

TEST(Sam, WithoutItsAscentItIsSgd) {
  Fixture f, g;
  OptimizerOptions o;
  o.name = "sam";
  const auto sam = f.make(o);
  sam->set_ascent(false);
  o.name = "sgd";
  const auto sgd = g.make(o);
  for (int k = 0; k < 3; ++k) {
    sam->step(f.objective, f.w, &kRate);
    sgd->step(g.objective, g.w, &kRate);
    EXPECT_EQ(f.weights(), g.weights());
  }
  EXPECT_EQ(f.objective.tracks.size(), 3u);
}

TEST(Sam, KStepsStayInTheBallAndMatchThePaper) {
  Fixture f;
  OptimizerOptions o;
  o.name = "sam";
  o.rho = 0.5;
  o.sam_steps = 4;
  o.sam_step_size = 0.4;
  const auto optimizer = f.make(o);
  const double rate = 0;
  optimizer->step(f.objective, f.w, &rate);
  EXPECT_EQ(f.objective.tracks.size(), 5u);  // K + 1 passes; the first one tracks
  EXPECT_EQ(f.objective.tracks[0], Track::Yes);
  EXPECT_EQ(f.objective.tracks[4], Track::No);
  std::vector<double> eps(5, 0.0), g(5);
  for (int k = 0; k < 4; ++k) {
    for (int i = 0; i < 5; ++i) g[i] = f.objective.a[i] * (f.start[i] + eps[i]);
    const double s = 0.4 * 0.5 / (norm(g) + 1e-12);
    for (int i = 0; i < 5; ++i) eps[i] += s * g[i];
    const double shrink = std::min(1.0, 0.5 / norm(eps));
    for (double& e : eps) e *= shrink;
  }
  Arena out = f.w.sibling(f.stream);
  optimizer->epsilon(out);
  const auto got = out.read(f.stream, f.layout->entries()[0]);
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(got[i], eps[i], 1e-13);
  EXPECT_NEAR(norm(got), 0.5, 1e-12);
}

TEST(Sam, RhoZeroIsSgdToTheBit) {
  Fixture a, b;
  OptimizerOptions o;
  const auto sgd = a.make(o);
  o.name = "sam";
  o.rho = 0;
  const auto sam = b.make(o);
  for (int step = 0; step < 5; ++step) {
    sgd->step(a.objective, a.w, &kRate);
    sam->step(b.objective, b.w, &kRate);
  }
  EXPECT_EQ(a.weights(), b.weights());
}

TEST(Sam, StatisticsFromTheFirstPassBothOrNone) {
  for (const auto from : {StatisticsFrom::First, StatisticsFrom::Both, StatisticsFrom::Frozen}) {
    Fixture f;
    OptimizerOptions o;
    o.name = "sam";
    o.statistics = from;
    f.make(o)->step(f.objective, f.w, &kRate);
    EXPECT_EQ(f.objective.tracks[0] == Track::Yes, from != StatisticsFrom::Frozen);
    EXPECT_EQ(f.objective.tracks[1] == Track::Yes, from == StatisticsFrom::Both);
  }
}

TEST(Optimizer, BadOptionsAreRefused) {
  Fixture f;
  OptimizerOptions o;
  o.name = "adam";
  EXPECT_THROW(f.make(o), Error);
  o.name = "sam";
  o.rho = -1;
  EXPECT_THROW(f.make(o), Error);
  o.rho = std::nan("");
  EXPECT_THROW(f.make(o), Error);
  o = {};
  o.descent.decay = -1;
  EXPECT_THROW(f.make(o), Error);
}

}  // namespace
}  // namespace basin
