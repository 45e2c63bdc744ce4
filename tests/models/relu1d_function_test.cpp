// What is counted of a piecewise linear function, on functions that are known.
#include "models/relu1d_function.h"

#include <gtest/gtest.h>

#include <cmath>

namespace basin::test {
namespace {

// A tent: 0 up to x = -1, 2 at x = 0 and 0 again from x = 1 on; half of it by a unit that looks the
// other way, with the slope of a line that another one takes off again.
Relu1dWeights tent() {
  return {{1, -2, 4, -1, 0}, {1, 0, -4, 5, 7}, {2, -2, 0.5F, 0, 3}};
}

TEST(Relu1dFunction, Values) {
  // 2 (x+1)_+ - 2 (-2x)_+ + 0.5 (4x-4)_+ + 0 + 21
  const Relu1dWeights w = tent();
  EXPECT_EQ(relu1d_value(w, -2), 21 - 8);
  EXPECT_EQ(relu1d_value(w, -1), 21 - 4);
  EXPECT_EQ(relu1d_value(w, 0), 21 + 2);
  EXPECT_EQ(relu1d_value(w, 2), 21 + 6 + 2);
}

TEST(Relu1dFunction, KinksAndTheirJoints) {
  const Relu1dWeights w =
      tent();  // bends at -1 by 2, at 0 by -4, at 1 by 2, at 5 by 0; one nowhere
  const std::vector<Kink> apart = relu1d_kinks(w, -3, 6, 0.5);
  ASSERT_EQ(apart.size(), 4U);
  const std::vector<double> places{-1, 0, 1, 5}, changes{2, -4, 2, 0};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(apart[i].x, places[i]);
    EXPECT_EQ(apart[i].slope_change, changes[i]);
    EXPECT_EQ(apart[i].units, 1);
  }
  EXPECT_EQ(relu1d_kinks(w, -1, 1, 0.5).size(), 1U);  // the ends are outside
  // By distance from the one before, not from the first.
  const std::vector<Kink> joined = relu1d_kinks(w, -3, 6, 1);
  ASSERT_EQ(joined.size(), 2U);
  EXPECT_EQ(joined[0].slope_change, 0);
  EXPECT_EQ(joined[0].units, 3);
  EXPECT_NEAR(joined[0].x, 0, 1e-15);
  EXPECT_EQ(joined[1].units, 1);
  EXPECT_TRUE(relu1d_kinks({{0, 0}, {0, 1}, {1, 1}}, -1, 1, 0.1).empty());  // 0 / 0 and 1 / 0
}

TEST(Relu1dFunction, Measures) {
  Regression data;
  data.n = 3, data.d = 1;
  data.x = {1.375, -1.375, 0}, data.y = {0, 0, 0};
  const Relu1dView view = relu1d_view(data);
  EXPECT_DOUBLE_EQ(view.step, 0.01);
  EXPECT_DOUBLE_EQ(view.merge(), 0.02);
  const Grid grid = view.grid();
  EXPECT_EQ(grid.points, 286);
  EXPECT_NEAR(grid.at(0), -1.425, 1e-15);
  EXPECT_NEAR(grid.at(285), 1.425, 1e-14);
  const Relu1dWeights w{{1, -2, 4, -1}, {1, 0, -4, 1.251F}, {2, -2, 0.5F, 0.4F}};
  const Relu1dMeasures m = measure(w, data, view);
  double loss = 0;
  for (const double x : data.x) loss += 0.5 * std::pow(relu1d_value(w, x), 2);
  EXPECT_DOUBLE_EQ(m.loss, loss);
  EXPECT_EQ(m.kinks, 3);  // 0.4 at 1.251 is too little
  EXPECT_EQ(m.kinks_large, 1);
  EXPECT_NEAR(m.slope_change, 2 + 4 + 2 + 0.4, 1e-6);
  EXPECT_NEAR(m.path_norm, 2 + 4 + 2 + 0.4, 1e-6);
  // Rising but for nothing: the variation is the difference of the ends.
  EXPECT_NEAR(m.variation, relu1d_value(w, 1.425) - relu1d_value(w, -1.425), 1e-12);
  EXPECT_NEAR(m.norm, std::sqrt(1 + 4 + 16 + 1 + 1 + 16 + 1.251 * 1.251 + 4 + 4 + 0.25 + 0.16),
              1e-6);
  data.x = {4, 4, 4};  // no width
  EXPECT_EQ(relu1d_view(data).step, 0.01);
  EXPECT_EQ(measure(w, data, relu1d_view(data)).kinks, 0);
}

}  // namespace
}  // namespace basin::test
