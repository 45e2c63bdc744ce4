// The SAM functors against independent float64 arithmetic: the ascent, the K-step ascent with its
// projection, zero gradients, NaN, and the scalars' place in device memory.
#include "kernels/sam.h"

#include <gtest/gtest.h>

#include "kernels/reduce.h"
#include "tests/support/compare.h"
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
      std::vector<T> first;
      for (const int threads : {1, 2}) {
        const Guarded<T> w(this->w), g(this->g);
        Guarded<T> adversarial(n);
        map<T>(Stream::cpu(threads), SamAscent<T>{&this->squared_norm, &this->rho, normalise}, n,
               {w.data(), g.data()}, {adversarial.data()});
        EXPECT_TRUE(all_close(adversarial.span(), expected, 3, this->rho)) << n;
        EXPECT_TRUE(adversarial.intact() && w.intact() && g.intact());
        EXPECT_TRUE(same_bytes(w.values(), this->w) && same_bytes(g.values(), this->g));
        if (first.empty()) first = adversarial.values();
        EXPECT_TRUE(same_bytes(adversarial.values(), first));
      }
    }
  }
}

TYPED_TEST(SamTest, ScalarsAreReadWhenTheKernelRuns) {
  using T = TypeParam;
  this->make(1);
  const SamAscent<T> ascent{&this->squared_norm, &this->rho, Normalise::No};
  const T w = 1, g = 2;
  T out = poison<T>();
  for (const double rho : {0.5, 0.25}) {
    this->rho = rho;
    map<T>(Stream::cpu(1), ascent, 1, {&w, &g}, {&out});
    EXPECT_EQ(out, static_cast<T>(1 + 2 * rho));
  }
}

TYPED_TEST(SamTest, AZeroGradientLeavesTheWeightsAndNanReachesThemAll) {
  using T = TypeParam;
  const std::vector<T> w = random_values<T>(33, 1), zero(33, T(0));
  Guarded<T> out(33);
  double squared_norm = 0;
  const SamAscent<T> ascent{&squared_norm, &this->rho, Normalise::Yes};
  map<T>(Stream::cpu(1), ascent, 33, {w.data(), zero.data()}, {out.data()});
  EXPECT_TRUE(same_bytes(out.values(), w));
  squared_norm = poison<double>();
  map<T>(Stream::cpu(1), ascent, 33, {w.data(), zero.data()}, {out.data()});
  for (int64_t i = 0; i < 33; ++i) EXPECT_TRUE(std::isnan(out[i])) << i;
}

// K steps as in understanding-sam's deep_nets/sam.py, each with a new gradient, in float64 and
// here.
TYPED_TEST(SamTest, KStepsWithProjection) {
  using T = TypeParam;
  const int64_t n = 1003;
  const double step = 0.4;
  this->make(n);
  const Stream stream = Stream::cpu(2);
  const Guarded<T> w(this->w);
  Guarded<T> eps(std::vector<T>(n, T(0))), point(n);
  Guarded<double> partials(reduce_partials(n)), squared_norm(1);
  std::vector<double> expected_eps(n, 0.0), expected_point(n);
  for (int k = 0; k < 4; ++k) {
    // From the third step on, eps points outside the ball and is drawn back.
    const auto g = random_values<T>(n, 2);
    const double norm = norm_of({g.begin(), g.end()}) + 1e-12;
    for (int64_t i = 0; i < n; ++i) expected_eps[i] += step * this->rho * g[i] / norm;
    const double length = norm_of(expected_eps);
    EXPECT_EQ(length > this->rho, k >= 2);
    for (int64_t i = 0; i < n; ++i) {
      if (length > this->rho) expected_eps[i] *= this->rho / length;
      expected_point[i] = this->w[i] + expected_eps[i];
    }

    basin::squared_norm(stream, n, g.data(), partials.data(), squared_norm.data());
    map<T>(stream, EpsilonStep<T>{squared_norm.data(), &this->rho, Normalise::Yes, step}, n,
           {eps.data(), g.data()}, {eps.data()});
    basin::squared_norm(stream, n, eps.data(), partials.data(), squared_norm.data());
    map<T>(stream, ProjectedPoint<T>{squared_norm.data(), &this->rho}, n, {eps.data(), w.data()},
           {eps.data(), point.data()});
    EXPECT_TRUE(all_close(eps.span(), expected_eps, 4.0 * (k + 1))) << k;
    EXPECT_TRUE(all_close(point.span(), expected_point, 4, this->rho)) << k;
  }
  EXPECT_TRUE(eps.intact() && point.intact() && partials.intact() && squared_norm.intact());
}

TYPED_TEST(SamTest, EpsilonStepWithoutNormalisation) {
  using T = TypeParam;
  const T eps = T(0.5), g = 2;
  T out = poison<T>();
  map<T>(Stream::cpu(1), EpsilonStep<T>{nullptr, &this->rho, Normalise::No, 0.5}, 1, {&eps, &g},
         {&out});
  EXPECT_TRUE(within(out, 0.5 + 0.5 * this->rho * 2, 2 * eps_of<T>()));
}

TYPED_TEST(SamTest, ProjectionOfNothingAndOfNan) {
  using T = TypeParam;
  const T w = 3, eps = 0;
  T out[2] = {poison<T>(), poison<T>()};
  double squared_norm = 0;
  const ProjectedPoint<T> project{&squared_norm, &this->rho};
  map<T>(Stream::cpu(1), project, 1, {&eps, &w}, {&out[0], &out[1]});
  EXPECT_EQ(out[0], T(0));
  EXPECT_EQ(out[1], w);
  squared_norm = poison<double>();
  map<T>(Stream::cpu(1), project, 1, {&eps, &w}, {&out[0], &out[1]});
  EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1]));
}

}  // namespace
}  // namespace basin::test
