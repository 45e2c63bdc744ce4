// The descent functors: one step against independent arithmetic, ten steps against a few lines of
// float64 that follow torch.optim.SGD.
#include "kernels/sgd.h"

#include <gtest/gtest.h>

#include "tests/support/compare.h"
#include "tests/support/device.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

// torch.optim.SGD in its own order (dampening 0), one element; the buffer starts as the gradient.
struct TorchSgd {
  double lr, momentum, decay;
  Nesterov nesterov;
  Decay form;
  double buffer = 0;
  bool started = false;
  double step(double w, double g) {
    if (form == Decay::Decoupled) w -= lr * decay * w;
    if (form == Decay::L2) g += decay * w;
    if (momentum != 0) {
      buffer = started ? momentum * buffer + g : g;
      started = true;
      g = nesterov == Nesterov::Yes ? g + momentum * buffer : buffer;
    }
    return w - lr * g;
  }
};

template <class T>
class SgdTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(SgdTest, Scalars);

TYPED_TEST(SgdTest, OneStepWithMomentum) {
  using T = TypeParam;
  const double lr = 0.125;
  const T momentum = T(0.75), decay = T(0.5);
  for (const Nesterov nesterov : {Nesterov::No, Nesterov::Yes}) {
    for (const Decay form : {Decay::L2, Decay::Decoupled}) {
      // Powers of two throughout: the arithmetic is exact. w = 2, g = 1, v = 4.
      const double gradient = form == Decay::L2 ? 1 + 0.5 * 2 : 1;
      const double velocity = 0.75 * 4 + gradient;
      const double update = nesterov == Nesterov::Yes ? gradient + 0.75 * velocity : velocity;
      const double shrink = form == Decay::Decoupled ? 0.125 * 0.5 * 2 : 0;
      for (const Stream& stream : streams({1})) {
        Placed<T> w(stream, std::vector<T>{2}), v(stream, std::vector<T>{4});
        const Placed<T> g(stream, std::vector<T>{1});
        const Placed<double> rate(stream, std::vector<double>{lr});
        map<T>(stream, MomentumDescent<T>{rate.data(), momentum, decay, nesterov, form}, 1,
               {w.data(), g.data(), v.data()}, {w.data(), v.data()});
        EXPECT_EQ(v[0], velocity) << name(stream);
        EXPECT_EQ(w[0], 2 - shrink - 0.125 * update) << name(stream);
        EXPECT_TRUE(w.intact() && v.intact() && g.intact());
      }
    }
  }
}

TYPED_TEST(SgdTest, TenStepsFollowTorch) {
  using T = TypeParam;
  constexpr int kSteps = 10;
  const double momentum = 0.9, decay = 5e-2;
  for (const int64_t n : {int64_t{1}, int64_t{33}, int64_t{1003}, int64_t{30'001}}) {
    for (const Nesterov nesterov : {Nesterov::No, Nesterov::Yes}) {
      for (const Decay form : {Decay::L2, Decay::Decoupled}) {
        const auto start = random_values<T>(n, 1);
        std::vector<double> expected(start.begin(), start.end()), velocity(n);
        std::vector<TorchSgd> torch(n, TorchSgd{0.1, momentum, decay, nesterov, form});
        for (int k = 0; k < kSteps; ++k) {
          const auto g = random_values<T>(n, 10 + k);
          for (int64_t i = 0; i < n; ++i) {
            torch[i].lr = 0.1 / (k + 1);
            expected[i] = torch[i].step(expected[i], g[i]);
            velocity[i] = torch[i].buffer;
          }
        }
        SameOnEachDevice<T> same;
        for (const Stream& stream : streams({1, 2})) {
          // Changes from step to step, under a functor that is made once.
          Placed<double> lr(stream, 1);
          const MomentumDescent<T> descent{lr.data(), static_cast<T>(momentum),
                                           static_cast<T>(decay), nesterov, form};
          Placed<T> w(stream, start), v(stream, std::vector<T>(n, T(0)));
          for (int k = 0; k < kSteps; ++k) {
            const Placed<T> g(stream, random_values<T>(n, 10 + k));
            lr.set(0, 0.1 / (k + 1));
            map<T>(stream, descent, n, {w.data(), g.data(), v.data()}, {w.data(), v.data()});
          }
          // Six roundings a step, of values of size 1 to 4.
          EXPECT_TRUE(all_close(w.span(), expected, 6 * kSteps, 1.0)) << n;
          EXPECT_TRUE(all_close(v.span(), velocity, 6 * kSteps, 4.0)) << n;
          EXPECT_TRUE(w.intact() && v.intact());
          EXPECT_TRUE(same(stream, w.values()));
        }
      }
    }
  }
}

TYPED_TEST(SgdTest, PlainDescentIsTorchWithoutMomentum) {
  using T = TypeParam;
  const int64_t n = 1003;
  const double lr = 0.1, decay = 0.25;
  for (const Decay form : {Decay::L2, Decay::Decoupled}) {
    const auto start = random_values<T>(n, 1);
    std::vector<double> expected(start.begin(), start.end());
    for (int k = 0; k < 10; ++k) {
      const auto g = random_values<T>(n, 10 + k);
      for (int64_t i = 0; i < n; ++i) {
        TorchSgd torch{lr, 0, decay, Nesterov::No, form};
        expected[i] = torch.step(expected[i], g[i]);
      }
    }
    for (const Stream& stream : streams({2})) {
      const Placed<double> rate(stream, std::vector<double>{lr});
      Placed<T> w(stream, start);
      for (int k = 0; k < 10; ++k) {
        const Placed<T> g(stream, random_values<T>(n, 10 + k));
        map<T>(stream, PlainDescent<T>{rate.data(), static_cast<T>(decay)}, n, {w.data(), g.data()},
               {w.data()});
      }
      EXPECT_TRUE(all_close(w.span(), expected, 40, 1.0)) << name(stream);
      EXPECT_TRUE(w.intact());
    }
  }
}

TYPED_TEST(SgdTest, NanReachesTheWeights) {
  using T = TypeParam;
  const double lr = 0.1;
  for (const Stream& stream : streams({1})) {
    const Placed<double> rate(stream, std::vector<double>{lr});
    Placed<T> w(stream, std::vector<T>{1}), v(stream, std::vector<T>{0});
    const Placed<T> g(stream, 1);
    map<T>(stream, MomentumDescent<T>{rate.data(), T(0.9), T(0), Nesterov::No, Decay::L2}, 1,
           {w.data(), g.data(), v.data()}, {w.data(), v.data()});
    EXPECT_TRUE(std::isnan(w[0]) && std::isnan(v[0])) << name(stream);
  }
}

}  // namespace
}  // namespace basin::test
