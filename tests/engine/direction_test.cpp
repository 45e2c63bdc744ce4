// Random directions: their numbers by place, the gaps that stay zero, and the norms of filters.
#include "engine/direction.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/device.h"

namespace basin::test {
namespace {

LayoutPtr layout_of_each_role() {
  Layout l;
  l.add_conv("conv", 5, 3, 3);
  l.add("g", Role::NormScale, Shape{5});
  l.add("b", Role::NormBias, Shape{5});
  l.add_linear("fc", 4, 5, 2);
  l.add("fc.bias", Role::Bias, Shape{4});
  return std::make_shared<const Layout>(l);
}

double norm_of(const std::vector<double>& x, size_t begin, size_t end) {
  double total = 0;
  for (size_t i = begin; i < end; ++i) total += x[i] * x[i];
  return std::sqrt(total);
}

TEST(Direction, NumbersAreThoseOfThePlaceAndGapsStayZero) {
  const LayoutPtr layout = layout_of_each_role();
  for (const Stream& stream : streams({1, 2})) {
    Arena direction(stream, layout, DType::Float64);
    random_direction(stream, direction, 9, Purpose::Direction, 4);
    std::vector<double> all(layout->size()), expected(layout->size(), 0.0);
    copy_to_host(stream, all.data(), direction.data(), layout->size() * 8);
    double squares = 0;
    for (const LayoutEntry& e : layout->entries()) {
      for (int64_t i = e.offset; i < e.offset + e.size; ++i) {
        expected[i] = normal(philox_at(9, Purpose::Direction, 4, static_cast<uint64_t>(i)));
        squares += expected[i] * expected[i];
      }
    }
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_NEAR(all[i], expected[i], 1e-14) << i << name(stream);
    }
    EXPECT_NEAR(norm(stream, direction), std::sqrt(squares), 1e-12) << name(stream);
  }
}

TEST(Direction, AFilterHasTheNormOfItsWeightsAndTheRestIsZero) {
  const LayoutPtr layout = layout_of_each_role();
  for (const Stream& stream : streams({1, 2})) {
    Arena w(stream, layout, DType::Float32), d(stream, layout, DType::Float32);
    random_direction(stream, w, 1, Purpose::Test, 0);
    random_direction(stream, d, 1, Purpose::Direction, 1);
    filter_normalise(stream, w, d);
    for (const LayoutEntry& e : layout->entries()) {
      const std::vector<double> weights = w.read(stream, e), found = d.read(stream, e);
      if (e.role != Role::Weight) {
        EXPECT_EQ(found, std::vector<double>(found.size(), 0.0)) << e.name;
        continue;
      }
      // read() gives PyTorch's order, in which a filter is a row.
      const size_t filters = e.logical[0], size = found.size() / filters;
      for (size_t f = 0; f < filters; ++f) {
        const double expected = norm_of(weights, f * size, (f + 1) * size);
        EXPECT_NEAR(norm_of(found, f * size, (f + 1) * size), expected, 1e-6 * expected)
            << e.name << " " << f << name(stream);
      }
    }
    Arena other(stream, layout_of_each_role(), DType::Float32);
    EXPECT_THROW(filter_normalise(stream, other, d), Error);
  }
}

}  // namespace
}  // namespace basin::test
