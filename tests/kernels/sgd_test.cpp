// The descent functors: one step against independent arithmetic, ten steps against a few lines of
// float64 that follow torch.optim.SGD.
#include "kernels/sgd.h"

#include <gtest/gtest.h>

#include "tests/support/compare.h"
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
      Guarded<T> w(std::vector<T>{2}), v(std::vector<T>{4});
      const Guarded<T> g(std::vector<T>{1});
      map<T>(Stream::cpu(1), MomentumDescent<T>{&lr, momentum, decay, nesterov, form}, 1,
             {w.data(), g.data(), v.data()}, {w.data(), v.data()});
      const double gradient = form == Decay::L2 ? 1 + 0.5 * 2 : 1;
      const double velocity = 0.75 * 4 + gradient;
      const double update = nesterov == Nesterov::Yes ? gradient + 0.75 * velocity : velocity;
      const double shrink = form == Decay::Decoupled ? 0.125 * 0.5 * 2 : 0;
      EXPECT_EQ(v[0], velocity);
      EXPECT_EQ(w[0], 2 - shrink - 0.125 * update);
      EXPECT_TRUE(w.intact() && v.intact() && g.intact());
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
        std::vector<T> first;
        for (const int threads : {1, 2}) {
          double lr = 0.1;  // changes from step to step, under a functor that is made once
          const MomentumDescent<T> descent{&lr, static_cast<T>(momentum), static_cast<T>(decay),
                                           nesterov, form};
          Guarded<T> w(start), v(std::vector<T>(n, T(0)));
          for (int k = 0; k < kSteps; ++k) {
            const Guarded<T> g(random_values<T>(n, 10 + k));
            lr = 0.1 / (k + 1);
            map<T>(Stream::cpu(threads), descent, n, {w.data(), g.data(), v.data()},
                   {w.data(), v.data()});
            for (int64_t i = 0; threads == 1 && i < n; ++i) {
              torch[i].lr = lr;
              expected[i] = torch[i].step(expected[i], g[i]);
              velocity[i] = torch[i].buffer;
            }
          }
          // Six roundings a step, of values of size 1 to 4.
          EXPECT_TRUE(all_close(w.span(), expected, 6 * kSteps, 1.0)) << n;
          EXPECT_TRUE(all_close(v.span(), velocity, 6 * kSteps, 4.0)) << n;
          EXPECT_TRUE(w.intact() && v.intact());
          if (first.empty()) first = w.values();
          EXPECT_TRUE(same_bytes(w.values(), first));
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
    Guarded<T> w(start);
    for (int k = 0; k < 10; ++k) {
      const Guarded<T> g(random_values<T>(n, 10 + k));
      map<T>(Stream::cpu(2), PlainDescent<T>{&lr, static_cast<T>(decay)}, n, {w.data(), g.data()},
             {w.data()});
      for (int64_t i = 0; i < n; ++i) {
        TorchSgd torch{lr, 0, decay, Nesterov::No, form};
        expected[i] = torch.step(expected[i], g[i]);
      }
    }
    EXPECT_TRUE(all_close(w.span(), expected, 40, 1.0));
    EXPECT_TRUE(w.intact());
  }
}

TYPED_TEST(SgdTest, NanReachesTheWeights) {
  using T = TypeParam;
  const double lr = 0.1;
  T w = 1, v = 0;
  const T g = poison<T>();
  map<T>(Stream::cpu(1), MomentumDescent<T>{&lr, T(0.9), T(0), Nesterov::No, Decay::L2}, 1,
         {&w, &g, &v}, {&w, &v});
  EXPECT_TRUE(std::isnan(w) && std::isnan(v));
}

}  // namespace
}  // namespace basin::test
