// The SAM functors against independent float64 arithmetic: the ascent, the K-step ascent with its
// projection, zero gradients, NaN, and the scalars' place in device memory.
#include "kernels/sam.h"

#include <gtest/gtest.h>

#include "kernels/reduce.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

double norm_of(const std::vector<double>& x) {
  double total = 0;
  for (const double v : x) total += v * v;
  return std::sqrt(total);
}

template <class T>
class SamTest : public testing::Test {
 protected:
  void make(int64_t n) {
    w = random_values<T>(n, 1);
    g = random_values<T>(n, 2, 0.1);
    gradient.assign(g.begin(), g.end());
    norm = norm_of(gradient);
    squared_norm = norm * norm;
  }
  std::vector<T> w, g;
  std::vector<double> gradient;
  double norm = 0, squared_norm = 0, rho = 0.05;
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(SamTest, Scalars);

TYPED_TEST(SamTest, AscentWritesTheSecondArenaOnly) {
  using T = TypeParam;
  for (const int64_t n : {int64_t{1}, int64_t{15}, int64_t{17}, int64_t{1000}, int64_t{60'001}}) {
    this->make(n);
    for (const Normalise normalise : {Normalise::Yes, Normalise::No}) {
      const double s = normalise == Normalise::Yes ? this->rho / (this->norm + 1e-12) : this->rho;
      std::vector<double> expected;
      for (int64_t i = 0; i < n; ++i) expected.push_back(this->w[i] + s * this->gradient[i]);
      SameOnEachDevice<T> same;
      for (const Stream& stream : streams({1, 2})) {
        const Placed<T> w(stream, this->w), g(stream, this->g);
        const Placed<double> scalars(stream, std::vector<double>{this->squared_norm, this->rho});
        Placed<T> adversarial(stream, n);
        map<T>(stream, SamAscent<T>{scalars.data(), scalars.data() + 1, normalise}, n,
               {w.data(), g.data()}, {adversarial.data()});
        EXPECT_TRUE(all_close(adversarial.span(), expected, 3, this->rho))
            << n << ", " << name(stream);
        EXPECT_TRUE(adversarial.intact() && w.intact() && g.intact());
        EXPECT_TRUE(same_bytes(w.values(), this->w) && same_bytes(g.values(), this->g));
        EXPECT_TRUE(same(stream, adversarial.values()));
      }
    }
  }
}

TYPED_TEST(SamTest, ScalarsAreReadWhenTheKernelRuns) {
  using T = TypeParam;
  for (const Stream& stream : streams({1})) {
    const Placed<T> w(stream, std::vector<T>{1}), g(stream, std::vector<T>{2});
    Placed<T> out(stream, 1);
    Placed<double> rho(stream, 1);
    const SamAscent<T> ascent{rho.data(), rho.data(), Normalise::No};
    for (const double value : {0.5, 0.25}) {
      rho.set(0, value);
      map<T>(stream, ascent, 1, {w.data(), g.data()}, {out.data()});
      EXPECT_EQ(out[0], static_cast<T>(1 + 2 * value)) << name(stream);
    }
  }
}

TYPED_TEST(SamTest, AZeroGradientLeavesTheWeightsAndNanReachesThemAll) {
  using T = TypeParam;
  const std::vector<T> weights = random_values<T>(33, 1);
  for (const Stream& stream : streams({1})) {
    const Placed<T> w(stream, weights), zero(stream, std::vector<T>(33, T(0)));
    Placed<T> out(stream, 33);
    Placed<double> scalars(stream, std::vector<double>{0, this->rho});
    const SamAscent<T> ascent{scalars.data(), scalars.data() + 1, Normalise::Yes};
    map<T>(stream, ascent, 33, {w.data(), zero.data()}, {out.data()});
    EXPECT_TRUE(same_bytes(out.values(), weights)) << name(stream);
    scalars.set(0, poison<double>());
    map<T>(stream, ascent, 33, {w.data(), zero.data()}, {out.data()});
    for (const T value : out.values()) EXPECT_TRUE(std::isnan(value)) << name(stream);
  }
}

// K steps as in understanding-sam's deep_nets/sam.py, each with a new gradient, in float64 and
// here.
TYPED_TEST(SamTest, KStepsWithProjection) {
  using T = TypeParam;
  const int64_t n = 1003;
  const double step = 0.4;
  this->make(n);
  for (const Stream& stream : streams({2})) {
    const Placed<T> w(stream, this->w);
    const Placed<double> rho(stream, std::vector<double>{this->rho});
    Placed<T> eps(stream, std::vector<T>(n, T(0))), point(stream, n);
    Placed<double> partials(stream, reduce_partials(n)), squared_norm(stream, 1);
    std::vector<double> expected_eps(n, 0.0), expected_point(n);
    for (int k = 0; k < 4; ++k) {
      // From the third step on, eps points outside the ball and is drawn back.
      const auto gradient = random_values<T>(n, 2);
      const double norm = norm_of({gradient.begin(), gradient.end()}) + 1e-12;
      for (int64_t i = 0; i < n; ++i) expected_eps[i] += step * this->rho * gradient[i] / norm;
      const double length = norm_of(expected_eps);
      EXPECT_EQ(length > this->rho, k >= 2);
      for (int64_t i = 0; i < n; ++i) {
        if (length > this->rho) expected_eps[i] *= this->rho / length;
        expected_point[i] = this->w[i] + expected_eps[i];
      }

      const Placed<T> g(stream, gradient);
      basin::squared_norm(stream, n, g.data(), partials.data(), squared_norm.data());
      map<T>(stream, EpsilonStep<T>{squared_norm.data(), rho.data(), Normalise::Yes, step}, n,
             {eps.data(), g.data()}, {eps.data()});
      basin::squared_norm(stream, n, eps.data(), partials.data(), squared_norm.data());
      map<T>(stream, ProjectedPoint<T>{squared_norm.data(), rho.data()}, n, {eps.data(), w.data()},
             {eps.data(), point.data()});
      EXPECT_TRUE(all_close(eps.span(), expected_eps, 4.0 * (k + 1))) << k << name(stream);
      EXPECT_TRUE(all_close(point.span(), expected_point, 4, this->rho)) << k << name(stream);
    }
    EXPECT_TRUE(eps.intact() && point.intact() && partials.intact() && squared_norm.intact());
  }
}

TYPED_TEST(SamTest, EpsilonStepWithoutNormalisation) {
  using T = TypeParam;
  for (const Stream& stream : streams({1})) {
    const Placed<T> eps(stream, std::vector<T>{T(0.5)}), g(stream, std::vector<T>{2});
    const Placed<double> rho(stream, std::vector<double>{this->rho});
    Placed<T> out(stream, 1);
    map<T>(stream, EpsilonStep<T>{nullptr, rho.data(), Normalise::No, 0.5}, 1,
           {eps.data(), g.data()}, {out.data()});
    EXPECT_TRUE(within(out[0], 0.5 + 0.5 * this->rho * 2, 2 * eps_of<T>())) << name(stream);
  }
}

TYPED_TEST(SamTest, ProjectionOfNothingAndOfNan) {
  using T = TypeParam;
  for (const Stream& stream : streams({1})) {
    const Placed<T> w(stream, std::vector<T>{3}), eps(stream, std::vector<T>{0});
    Placed<T> out(stream, 2);
    Placed<double> scalars(stream, std::vector<double>{0, this->rho});
    const ProjectedPoint<T> project{scalars.data(), scalars.data() + 1};
    map<T>(stream, project, 1, {eps.data(), w.data()}, {out.data(), out.data() + 1});
    EXPECT_EQ(out.values(), (std::vector<T>{0, 3})) << name(stream);
    scalars.set(0, poison<double>());
    map<T>(stream, project, 1, {eps.data(), w.data()}, {out.data(), out.data() + 1});
    EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1])) << name(stream);
  }
}

}  // namespace
}  // namespace basin::test
