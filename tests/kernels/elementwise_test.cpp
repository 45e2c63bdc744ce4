// Each element functor against plain float64 arithmetic, overwriting and accumulating; the kinks,
// the ends of softplus, NaN and infinity.
#include "kernels/elementwise.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/support/compare.h"
#include "tests/support/device.h"
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
    check_made([&](const Stream&, const T*) { return functor; }, meaning, growth);
  }
  // The functor of make(stream, scalar), with `scalar` kScalar in the device's memory.
  static constexpr double kScalar = 0.75;
  template <class Make>
  void check_made(const Make& make, const Meaning& meaning, double growth = 2) {
    using F = std::invoke_result_t<Make, const Stream&, const T*>;
    for (const int64_t n : {int64_t{1}, int64_t{17}, int64_t{1000}, int64_t{50'001}}) {
      const std::vector<T> a = random_values<T>(n, 1, 3), b = random_values<T>(n, 2, 3);
      const std::vector<T> before = random_values<T>(n, 3);
      for (const Write mode : {Write::Overwrite, Write::Accumulate}) {
        std::vector<double> expected;
        for (int64_t i = 0; i < n; ++i) {
          const double value = meaning(a[i], b[i]);
          expected.push_back(mode == Write::Overwrite ? value : value + before[i]);
        }
        for (const Stream& stream : streams({1, 2})) {
          const Placed<T> x(stream, a), y(stream, b);
          const Placed<T> scalar(stream, std::vector<double>{kScalar});
          Placed<T> out =
              mode == Write::Overwrite ? Placed<T>(stream, n) : Placed<T>(stream, before);
          Inputs<T, F> in{};
          if constexpr (F::reads > 0) in[0] = x.data();
          if constexpr (F::reads > 1) in[1] = y.data();
          map<T>(stream, make(stream, scalar.data()), n, in, {out.data()}, mode);
          EXPECT_TRUE(all_close(out.span(), expected, growth, 10.0)) << n << ", " << name(stream);
          EXPECT_TRUE(x.intact() && y.intact() && out.intact()) << n;
        }
      }
    }
  }
  // The functor's value, on which all devices have to agree but for their rounding.
  template <class F>
  T one(const F& functor, std::type_identity_t<T> a, std::type_identity_t<T> b = 0) {
    std::vector<T> found;
    for (const Stream& stream : streams({1})) {
      const Placed<T> x(stream, std::vector<T>{a}), y(stream, std::vector<T>{b});
      Placed<T> out(stream, 1);
      Inputs<T, F> in{};
      if constexpr (F::reads > 0) in[0] = x.data();
      if constexpr (F::reads > 1) in[1] = y.data();
      map<T>(stream, functor, 1, in, {out.data()});
      found.push_back(out[0]);
      const bool both_nan = std::isnan(found[0]) && std::isnan(found.back());
      EXPECT_TRUE(both_nan || within(found.back(), found[0], 8 * eps_of<T>() * std::abs(found[0])))
          << name(stream);
    }
    return found[0];
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
  this->check_made(
      [](const Stream&, const T* by) {
        return ScaleBy<T>{by, T(-2)};
      },
      [](double a, double) { return -1.5 * a; });
  this->check_made(
      [](const Stream&, const T* by) {
        return Broadcast<T>{by, T(4)};
      },
      [](double, double) { return 3.0; });
  for (const Stream& stream : streams({1})) {
    const Placed<double> value(stream, std::vector<double>{3.25});
    Placed<T> out(stream, 5);
    map<T>(stream, FromDouble<T>{value.data(), 0.5}, 5, {}, {out.data()});
    EXPECT_EQ(out.values(), std::vector<T>(5, T(1.625))) << name(stream);
  }
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
  SameOnEachDevice<T> same;
  for (const Stream& stream : streams({1, 1, 2, 2})) {
    const Placed<T> x(stream, random_values<T>(n, 5));
    Placed<T> y(stream, n);
    map<T>(stream, typename Softplus<T>::Forward{T(2)}, n, {x.data()}, {y.data()});
    EXPECT_TRUE(same(stream, y.values()));
  }
}

TYPED_TEST(ElementwiseTest, NothingIsDoneForNoElements) {
  using T = TypeParam;
  for (const Stream& stream : streams({2})) {
    map<T>(stream, Copy<T>{}, 0, {nullptr}, {nullptr});
    map<T>(stream, Copy<T>{}, 0, {nullptr}, {nullptr}, Write::Accumulate);
  }
}

}  // namespace
}  // namespace basin::test
