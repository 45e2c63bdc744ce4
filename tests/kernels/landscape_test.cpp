// The landscape's kernels against independent float64 arithmetic: points on lines and planes, the
// adaptive ascent with its projection, random directions, filters' norms.
#include "kernels/landscape.h"

#include <gtest/gtest.h>

#include "kernels/landscape.cuh"
#include "tests/support/block.h"
#include "tests/support/compare.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

template <class T>
class LandscapeTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(LandscapeTest, Scalars);

double norm_of(const std::vector<double>& x) {
  double total = 0;
  for (const double v : x) total += v * v;
  return std::sqrt(total);
}

TYPED_TEST(LandscapeTest, LinesAndPlanes) {
  using T = TypeParam;
  const T a(-0.7), b(1.7);
  for (const int64_t n : {int64_t{1}, int64_t{17}, int64_t{1003}, int64_t{60'001}}) {
    const auto w = random_values<T>(n, 1), x = random_values<T>(n, 2), y = random_values<T>(n, 3);
    std::vector<double> line, plane;
    for (int64_t i = 0; i < n; ++i) {
      line.push_back(double{a} * x[i] + double{b} * y[i]);
      plane.push_back(double{w[i]} + double{a} * x[i] + double{b} * y[i]);
    }
    SameOnEachDevice<T> same_line, same_plane;
    for (const Stream& stream : streams({1, 2})) {
      const Placed<T> at(stream, w), along(stream, x), across(stream, y);
      Placed<T> out(stream, n);
      map<T>(stream, Combination<T>{a, b}, n, {along.data(), across.data()}, {out.data()});
      EXPECT_TRUE(all_close(out.span(), line, 2, 5)) << name(stream);
      EXPECT_TRUE(same_line(stream, out.values()) && out.intact());
      map<T>(stream, Combination<T>{1, 0}, n, {along.data(), across.data()}, {out.data()});
      EXPECT_EQ(out.values(), x) << name(stream);  // the ends are the ends
      map<T>(stream, PlanePoint<T>{a, b}, n, {at.data(), along.data(), across.data()},
             {out.data()});
      EXPECT_TRUE(all_close(out.span(), plane, 3, 5)) << name(stream);
      EXPECT_TRUE(same_plane(stream, out.values()) && out.intact());
    }
  }
}

// One step from u = 0 is ASAM's: delta = rho T^2 g / |T g|; a second one leaves the ball and is
// drawn back. A weight that is 0 stays.
TYPED_TEST(LandscapeTest, AdaptiveAscent) {
  using T = TypeParam;
  const int64_t n = 1003;
  const double rho = 0.25, step = 0.8;
  auto weights = random_values<T>(n, 1);
  weights[5] = 0;
  for (const Stream& stream : streams({1, 2})) {
    const Placed<T> w(stream, weights);
    const Placed<double> radius(stream, std::vector<double>{rho});
    Placed<T> u(stream, std::vector<T>(n, T(0))), scaled(stream, n), point(stream, n);
    Placed<double> partials(stream, reduce_partials(n)), squared(stream, 1);
    std::vector<double> expected_u(n, 0.0), expected_point(n);
    for (int k = 0; k < 2; ++k) {
      const auto gradient = random_values<T>(n, 2);
      std::vector<double> tg;
      for (int64_t i = 0; i < n; ++i) tg.push_back(std::abs(double{weights[i]}) * gradient[i]);
      const double norm = norm_of(tg) + 1e-12;
      for (int64_t i = 0; i < n; ++i) expected_u[i] += step * rho * tg[i] / norm;
      const double length = norm_of(expected_u);
      EXPECT_EQ(length > rho, k == 1);
      for (int64_t i = 0; i < n; ++i) {
        if (length > rho) expected_u[i] *= rho / length;
        expected_point[i] = weights[i] + std::abs(double{weights[i]}) * expected_u[i];
      }

      const Placed<T> g(stream, gradient);
      map<T>(stream, AdaptiveGradient<T>{}, n, {w.data(), g.data()}, {scaled.data()});
      EXPECT_TRUE(all_close(scaled.span(), tg, 1)) << name(stream);
      squared_norm(stream, n, scaled.data(), partials.data(), squared.data());
      map<T>(stream, EpsilonStep<T>{squared.data(), radius.data(), Normalise::Yes, step}, n,
             {u.data(), scaled.data()}, {u.data()});
      squared_norm(stream, n, u.data(), partials.data(), squared.data());
      map<T>(stream, AdaptivePoint<T>{squared.data(), radius.data()}, n, {u.data(), w.data()},
             {u.data(), point.data()});
      EXPECT_TRUE(all_close(u.span(), expected_u, 6.0 * (k + 1))) << k << name(stream);
      EXPECT_TRUE(all_close(point.span(), expected_point, 4, rho)) << k << name(stream);
      EXPECT_EQ(point[5], T(0));
    }
    EXPECT_TRUE(u.intact() && scaled.intact() && point.intact());
  }
}

TYPED_TEST(LandscapeTest, NormalNumbersAreThoseOfTheirIndex) {
  using T = TypeParam;
  const NormalNumbers numbers{7, Purpose::Test, 3, uint64_t{1} << 32};
  for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{7}, int64_t{16}, int64_t{4099}}) {
    std::vector<double> expected;
    for (int64_t i = 0; i < n; ++i) {
      expected.push_back(normal(philox_at(7, Purpose::Test, 3, (uint64_t{1} << 32) + i)));
    }
    SameOnEachDevice<T> same;
    for (const Stream& stream : streams({1, 2})) {
      for (const int64_t offset : {0, 1}) {  // packs, and single elements
        Placed<T> out(stream, n, offset);
        fill_normal(stream, numbers, n, out.data());
        EXPECT_TRUE(all_close(out.span(), expected, 8, 1e-3)) << n << name(stream);
        EXPECT_TRUE(same(stream, out.values()) && out.intact());
      }
    }
  }
}

TYPED_TEST(LandscapeTest, EachFilterGetsTheNormOfTheWeights) {
  using T = TypeParam;
  struct Size {
    int64_t filters, size;
  };
  for (const auto& [filters, size] : {Size{1, 1}, {3, 7}, {16, 27}, {5, 1001}, {300, 9}}) {
    const int64_t n = filters * size;
    auto weights = random_values<T>(n, 1, 0.1), direction = random_values<T>(n, 2);
    if (filters > 2) {  // a filter without weights, and one without a direction
      for (int64_t i = 0; i < size; ++i) weights[i] = direction[size + i] = 0;
    }
    std::vector<double> expected;
    for (int64_t f = 0; f < filters; ++f) {
      double ww = 0, dd = 0;
      for (int64_t i = f * size; i < (f + 1) * size; ++i) {
        ww += double{weights[i]} * weights[i];
        dd += double{direction[i]} * direction[i];
      }
      for (int64_t i = f * size; i < (f + 1) * size; ++i) {
        expected.push_back(direction[i] * (std::sqrt(ww) / (std::sqrt(dd) + 1e-12)));
      }
    }
    SameOnEachDevice<T> same;
    for (const Stream& stream : streams({1, 2})) {
      const Placed<T> w(stream, weights);
      Placed<T> d(stream, direction);
      filter_normalise(stream, filters, size, w.data(), d.data());
      EXPECT_TRUE(all_close(d.span(), expected, 4)) << filters << " x " << size << name(stream);
      EXPECT_TRUE(same(stream, d.values()) && d.intact() && w.intact());
    }
    for (const int threads : {1, 64}) {   // the body of the other backend
      if (threads > 1 && n > 100) break;  // a team of threads for each block takes a while
      Guarded<T> d(direction);
      const Guarded<T> w(weights);
      run_blocks<FilterNormaliseBody<T>>(2, threads, filters, size, w.data(), d.data());
      EXPECT_TRUE(all_close(d.span(), expected, 4));
    }
  }
}

TYPED_TEST(LandscapeTest, TheBodyFillsAsTheLoopDoes) {
  using T = TypeParam;
  const NormalNumbers numbers{1, Purpose::Test, 0, 5};
  std::vector<T> expected(1003);
  fill_normal(Stream::cpu(1), numbers, 1003, expected.data());
  for (const Access access : {Access::Packed, Access::Single}) {
    Guarded<T> out(1003);
    run_blocks<FillNormalBody<T>>(3, 1, numbers, int64_t{1003}, access, out.data());
    EXPECT_TRUE(same_bytes(out.span(), std::span<const T>(expected)) && out.intact());
  }
}

}  // namespace
}  // namespace basin::test
