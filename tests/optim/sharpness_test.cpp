// m-sharpness: a closed form, an ascent in plain float64 loops, and what holds of any maximum.
#include "optim/sharpness.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/model.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"

namespace basin {
namespace {

using Values = std::vector<double>;

constexpr int64_t kSide = 4, kPixels = kSide * kSide;

double norm_of(const Values& x) {
  double total = 0;
  for (const double v : x) total += v * v;
  return std::sqrt(total);
}

// The linear model on a batch: logits = W x, softmax cross-entropy.
struct Problem {
  int64_t n, classes;
  Values w, x;  // [classes, pixels], [n, pixels]
  std::vector<int32_t> y;

  Problem(int64_t n, int64_t classes)
      : n(n),
        classes(classes),
        w(test::random_values<double>(classes * kPixels, 1, 0.5)),
        x(test::random_values<double>(n * kPixels, 2)) {
    for (int64_t i = 0; i < n; ++i) y.push_back(static_cast<int32_t>(i % classes));
  }

  // Mean loss, labels met and gradient at any weights, by plain loops.
  double loss(const Values& at, double* correct = nullptr, Values* gradient = nullptr) const {
    double total = 0;
    for (int64_t i = 0; i < n; ++i) {
      Values logits(classes, 0.0);
      for (int64_t c = 0; c < classes; ++c) {
        for (int64_t p = 0; p < kPixels; ++p) logits[c] += at[c * kPixels + p] * x[i * kPixels + p];
      }
      double sum = 0;
      for (const double logit : logits) sum += std::exp(logit);
      total += std::log(sum) - logits[y[i]];
      if (correct != nullptr) {
        *correct += *std::max_element(logits.begin(), logits.end()) == logits[y[i]] ? 1 : 0;
      }
      if (gradient == nullptr) continue;
      for (int64_t c = 0; c < classes; ++c) {
        const double d = std::exp(logits[c]) / sum - (c == y[i] ? 1 : 0);
        for (int64_t p = 0; p < kPixels; ++p) {
          (*gradient)[c * kPixels + p] += d * x[i * kPixels + p] / static_cast<double>(n);
        }
      }
    }
    return total / static_cast<double>(n);
  }

  AscentResult run(const Stream& stream, double rho, const AscentOptions& o,
                   int64_t batch = 0) const {
    const Model model =
        make_model({.name = "linear", .classes = classes, .h = kSide, .w = kSide, .c = 1});
    Arena weights(stream, model.parameters, DType::Float64);
    const LayoutEntry& entry = model.parameters->entries()[0];
    weights.write(stream, entry, w);
    const auto replay =
        make_replay(stream, model.record, weights, nullptr,
                    {.batch = n, .h = kSide, .w = kSide, .c = 1, .mode = Mode::Frozen});
    const test::Placed<double> images(stream, x);
    const test::Placed<int32_t> labels(stream, y);
    replay->bind(images.data(), labels.data());
    const AscentResult result = SharpnessAscent(stream, weights, o)(*replay, rho, batch);
    EXPECT_EQ(weights.read(stream, entry), w);
    return result;
  }

  // Projected ascent from w, step by step.
  AscentPoint reference(double rho, const AscentOptions& o) const {
    const bool adaptive = o.geometry == Geometry::Adaptive;
    Values u(w.size(), 0.0), at = w;
    AscentPoint worst{-1, 0, 0};
    for (int k = 0; k <= o.steps; ++k) {
      Values g(w.size(), 0.0);
      double correct = 0;
      const double here = loss(at, &correct, &g);
      if (here > worst.loss) worst = {here, correct, norm_of(g)};
      const double part =
          o.schedule == StepSchedule::Constant ? 1 : std::pow(0.5, std::floor(4.0 * k / o.steps));
      if (adaptive) {
        for (size_t i = 0; i < g.size(); ++i) g[i] *= std::abs(w[i]);
      }
      const double length = norm_of(g) + 1e-12;
      for (size_t i = 0; i < u.size(); ++i) u[i] += o.step_size * part * rho * g[i] / length;
      const double away = norm_of(u);
      for (size_t i = 0; i < u.size(); ++i) {
        if (away > rho) u[i] *= rho / away;
        at[i] = w[i] + (adaptive ? std::abs(w[i]) : 1) * u[i];
      }
    }
    return worst;
  }
};

// One example and two classes: the loss grows along x alone, log(1 + exp(-(margin - s))) with
// s = rho sqrt(2) |x|, or rho |T (x, x)| in the adaptive ball.
TEST(Sharpness, OneExampleOfALinearModelHasAClosedForm) {
  const Problem p(1, 2);
  double margin = 0, scaled = 0;
  for (int64_t i = 0; i < kPixels; ++i) {
    margin += (p.w[i] - p.w[kPixels + i]) * p.x[i];
    scaled += (p.w[i] * p.w[i] + p.w[kPixels + i] * p.w[kPixels + i]) * p.x[i] * p.x[i];
  }
  for (const double rho : {0.05, 0.7}) {
    for (const auto& [geometry, reach] : {std::pair{Geometry::Plain, std::sqrt(2) * norm_of(p.x)},
                                          {Geometry::Adaptive, std::sqrt(scaled)}}) {
      const double expected = std::log1p(std::exp(-(margin - rho * reach)));
      for (const Stream& stream : test::streams({1, 2})) {
        const AscentResult found = p.run(stream, rho, {.geometry = geometry});
        EXPECT_NEAR(found.centre.loss, std::log1p(std::exp(-margin)), 1e-13);
        EXPECT_NEAR(found.worst.loss, expected, 1e-12 * expected) << test::name(stream);
      }
    }
  }
}

TEST(Sharpness, TheAscentIsThatOfPlainLoops) {
  const Problem p(5, 3);
  for (const Geometry geometry : {Geometry::Plain, Geometry::Adaptive}) {
    for (const StepSchedule schedule : {StepSchedule::Constant, StepSchedule::Quarters}) {
      for (const double rho : {0.0, 0.3, 2.0}) {
        // 20 small steps reach the sphere half way; three large ones are drawn back at once.
        for (const auto& [steps, size] : {std::pair{20, 0.1}, {3, 0.9}}) {
          const AscentOptions o{
              .steps = steps, .step_size = size, .schedule = schedule, .geometry = geometry};
          const AscentPoint expected = p.reference(rho, o);
          // The long ones on a CPU alone: an emulated device takes a while.
          const auto streams = steps > 3 ? std::vector{Stream::cpu(1)} : test::streams({1, 2});
          for (const Stream& stream : streams) {
            const AscentResult found = p.run(stream, rho, o);
            EXPECT_NEAR(found.worst.loss, expected.loss, 1e-11 * expected.loss);
            EXPECT_NEAR(found.worst.gradient_norm, expected.gradient_norm, 1e-10);
            EXPECT_EQ(found.worst.correct, expected.correct) << test::name(stream);
            if (rho == 0) {
              EXPECT_EQ(found.worst.loss, found.centre.loss);
            }
          }
        }
      }
    }
  }
}

TEST(Sharpness, GrowsWithTheRadius) {
  const Problem p(4, 3);
  for (const Start start : {Start::Centre, Start::Sphere}) {
    double last = 0;
    for (const double rho : {0.0, 0.1, 0.2, 0.5, 1.0}) {
      const AscentResult r = p.run(Stream::cpu(1), rho, {.start = start});
      EXPECT_GE(r.worst.loss - r.centre.loss, last);
      last = r.worst.loss - r.centre.loss;
    }
    EXPECT_GT(last, 0.5);
  }
}

// One tiny step from a random place is mostly no higher than w, which counts too.
TEST(Sharpness, RandomStartsAreRepeatableAndNeverBelowTheCentre) {
  const Problem p(4, 3);
  AscentOptions o{.steps = 1, .step_size = 1e-3, .start = Start::Sphere, .seed = 3};
  int at_centre = 0;
  std::vector<double> worst;
  for (int64_t batch = 0; batch < 8; ++batch) {
    const AscentResult a = p.run(Stream::cpu(1), 0.1, o, batch);
    const AscentResult b = p.run(Stream::cpu(1), 0.1, o, batch);
    EXPECT_EQ(a.worst.loss, b.worst.loss);
    EXPECT_GE(a.worst.loss, a.centre.loss);
    at_centre += a.worst.loss == a.centre.loss ? 1 : 0;
    worst.push_back(a.worst.loss);
  }
  EXPECT_GT(at_centre, 0);
  EXPECT_LT(at_centre, 8);
  // Restarts of batch 0 are the starts of eight batches with one each: the worst of them counts.
  o.restarts = 8;
  EXPECT_EQ(p.run(Stream::cpu(1), 0.1, o).worst.loss,
            *std::max_element(worst.begin(), worst.end()));
  o.start = Start::Centre;
  EXPECT_THROW(p.run(Stream::cpu(1), 0.1, o), Error);
}

TEST(Sharpness, ALossThatIsNanStays) {
  Problem p(2, 3);
  p.x[3] = test::poison<double>();
  EXPECT_TRUE(std::isnan(p.run(Stream::cpu(1), 0.1, {}).worst.loss));
}

// Uniform on the sphere: of length rho in its own geometry, and nothing but the numbers' direction.
TEST(Ball, ARandomPointLiesOnTheSphere) {
  Layout l;
  l.add("w", Role::Weight, Shape{37});
  const auto layout = std::make_shared<const Layout>(l);
  const Values w = test::random_values<double>(37, 5);
  for (const Stream& stream : test::streams({1, 2})) {
    Arena weights(stream, layout, DType::Float64);
    weights.write(stream, layout->entries()[0], w);
    for (const Geometry geometry : {Geometry::Plain, Geometry::Adaptive}) {
      Ball ball(stream, weights, geometry);
      Values numbers;
      for (uint64_t i = 0; i < w.size(); ++i) {
        numbers.push_back(normal(philox_at(2, Purpose::Perturb, 7, i)));
      }
      for (const double rho : {0.5, 100.0}) {
        ball.to_centre(rho);
        EXPECT_EQ(ball.point().read(stream, layout->entries()[0]), w);
        ball.to_sphere(2, Purpose::Perturb, 7);
        const Values found = ball.point().read(stream, layout->entries()[0]);
        for (size_t i = 0; i < w.size(); ++i) {
          const double u = rho * numbers[i] / norm_of(numbers);
          const double t = geometry == Geometry::Adaptive ? std::abs(w[i]) : 1;
          EXPECT_NEAR(found[i], w[i] + t * u, 1e-12 * rho) << test::name(stream);
        }
      }
    }
  }
}

}  // namespace
}  // namespace basin
