// Each element functor against plain float64 arithmetic, overwriting and accumulating; the kinks,
// the ends of softplus, NaN and infinity.
#include "kernels/elementwise.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

// out = meaning(a, b) for functors of up to two inputs and one output.
using Meaning = std::function<double(double a, double b)>;

template <class T>
class ElementwiseTest : public testing::Test {
 protected:
  template <class F>
  void check(const F& functor, const Meaning& meaning, double growth = 2) {
    for (const int64_t n : {int64_t{1}, int64_t{17}, int64_t{1000}, int64_t{50'001}}) {
      const std::vector<T> a = random_values<T>(n, 1, 3), b = random_values<T>(n, 2, 3);
      const std::vector<T> before = random_values<T>(n, 3);
      for (const Write mode : {Write::Overwrite, Write::Accumulate}) {
        std::vector<double> expected;
        for (int64_t i = 0; i < n; ++i) {
          const double value = meaning(a[i], b[i]);
          expected.push_back(mode == Write::Overwrite ? value : value + before[i]);
        }
        for (const int threads : {1, 2}) {
          Guarded<T> x(a), y(b);
          Guarded<T> out = mode == Write::Overwrite ? Guarded<T>(n) : Guarded<T>(before);
          Inputs<T, F> in{};
          if constexpr (F::reads > 0) in[0] = x.data();
          if constexpr (F::reads > 1) in[1] = y.data();
          map<T>(Stream::cpu(threads), functor, n, in, {out.data()}, mode);
          EXPECT_TRUE(all_close(out.span(), expected, growth, 10.0)) << n;
          EXPECT_TRUE(x.intact() && y.intact() && out.intact()) << n;
        }
      }
    }
  }
  template <class F>
  T one(const F& functor, std::type_identity_t<T> a, std::type_identity_t<T> b = 0) {
    T out = poison<T>();
    Inputs<T, F> in{};
    if constexpr (F::reads > 0) in[0] = &a;
    if constexpr (F::reads > 1) in[1] = &b;
    map<T>(Stream::cpu(1), functor, 1, in, {&out});
    return out;
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ElementwiseTest, Scalars);

TYPED_TEST(ElementwiseTest, Arithmetic) {
  using T = TypeParam;
  this->check(Copy<T>{}, [](double a, double) { return a; });
  this->check(Fill<T>{T(2.5)}, [](double, double) { return 2.5; });
  this->check(Add<T>{}, [](double a, double b) { return a + b; });
  this->check(Mul<T>{}, [](double a, double b) { return a * b; });
  this->check(Scale<T>{T(-1.5)}, [](double a, double) { return -1.5 * a; });
  this->check(AddScaled<T>{T(0.25)}, [](double a, double b) { return a + 0.25 * b; });
}

TYPED_TEST(ElementwiseTest, ScalarsInDeviceMemory) {
  using T = TypeParam;
  const T by = T(0.75);
  const double value = 3.25;
  this->check(ScaleBy<T>{&by, T(-2)}, [](double a, double) { return -1.5 * a; });
  this->check(Broadcast<T>{&by, T(4)}, [](double, double) { return 3.0; });
  this->check(FromDouble<T>{&value, 0.5}, [](double, double) { return 1.625; });
}

TYPED_TEST(ElementwiseTest, Relu) {
  using T = TypeParam;
  using F = typename Relu<T>::Forward;
  using B = typename Relu<T>::Backward;
  this->check(F{}, [](double x, double) { return x > 0 ? x : 0; });
  this->check(B{}, [](double dy, double y) { return y > 0 ? dy : 0; });
  EXPECT_EQ(this->one(F{}, 0), T(0));
  EXPECT_EQ(this->one(B{}, 3, 0), T(0)) << "the gradient at 0 is 0";
  EXPECT_TRUE(std::isnan(this->one(F{}, poison<T>())));
  EXPECT_TRUE(std::isnan(this->one(B{}, poison<T>(), 1)));
}

TYPED_TEST(ElementwiseTest, Softplus) {
  using T = TypeParam;
  for (const double beta : {1.0, 4.0}) {
    const typename Softplus<T>::Forward forward{static_cast<T>(beta)};
    const typename Softplus<T>::Backward backward{static_cast<T>(beta)};
    this->check(
        forward, [=](double x, double) { return std::log1p(std::exp(beta * x)) / beta; }, 4);
    this->check(
        backward, [=](double dy, double x) { return dy / (1 + std::exp(-beta * x)); }, 6);
    const T large = std::numeric_limits<T>::max() / T(8);
    const T infinity = std::numeric_limits<T>::infinity();
    EXPECT_EQ(this->one(forward, large), large);
    EXPECT_EQ(this->one(forward, -large), T(0));
    EXPECT_EQ(this->one(forward, infinity), infinity);
    EXPECT_EQ(this->one(forward, -infinity), T(0));
    EXPECT_EQ(this->one(backward, 2, large), T(2));
    EXPECT_EQ(this->one(backward, 2, -large), T(0));
    EXPECT_TRUE(std::isnan(this->one(forward, poison<T>())));
    EXPECT_TRUE(std::isnan(this->one(backward, 1, poison<T>())));
    // Far below 0 nothing is lost to 1 + exp.
    const double expected = std::log1p(std::exp(-30.0)) / beta;
    EXPECT_TRUE(within(this->one(forward, static_cast<T>(-30 / beta)), expected,
                       64 * eps_of<T>() * expected));
  }
}

TYPED_TEST(ElementwiseTest, TwoRunsGiveTheSameBytes) {
  using T = TypeParam;
  const int64_t n = 70'001;
  const Guarded<T> x(random_values<T>(n, 5));
  std::vector<T> first;
  for (const int threads : {1, 1, 2, 2}) {
    Guarded<T> y(n);
    map<T>(Stream::cpu(threads), typename Softplus<T>::Forward{T(2)}, n, {x.data()}, {y.data()});
    if (first.empty()) first = y.values();
    EXPECT_TRUE(same_bytes(y.values(), first));
  }
}

TYPED_TEST(ElementwiseTest, NothingIsDoneForNoElements) {
  using T = TypeParam;
  map<T>(Stream::cpu(2), Copy<T>{}, 0, {nullptr}, {nullptr});
  map<T>(Stream::cpu(2), Copy<T>{}, 0, {nullptr}, {nullptr}, Write::Accumulate);
}

}  // namespace
}  // namespace basin::test
