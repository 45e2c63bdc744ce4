#include "optim/schedule.h"

#include <gtest/gtest.h>

#include "kernels/error.h"

namespace basin {
namespace {

TEST(Schedule, IsThePapers) {
  const auto at = [](const char* name, double t, double epochs) {
    return learning_rate(name, 0.1, t, epochs);
  };
  EXPECT_DOUBLE_EQ(at("constant", 7, 10), 0.1);
  EXPECT_DOUBLE_EQ(at("piecewise", 4.99, 10), 0.1);
  EXPECT_DOUBLE_EQ(at("piecewise", 5, 10), 0.01);  // the boundary itself is lower already
  EXPECT_DOUBLE_EQ(at("piecewise", 7.5, 10), 0.001);
  EXPECT_DOUBLE_EQ(at("piecewise_02epochs", 2, 10), 0.01);
  EXPECT_DOUBLE_EQ(at("piecewise_03epochs", 2.9, 10), 0.1);
  EXPECT_DOUBLE_EQ(at("piecewise_04epochs", 4, 10), 0.01);
  EXPECT_NEAR(at("cosine", 5, 10), 0.05, 1e-15);
  EXPECT_NEAR(at("cosine", 10, 10), 0, 1e-15);
  EXPECT_DOUBLE_EQ(at("cyclic", 2, 10), 0.05);
  EXPECT_DOUBLE_EQ(at("cyclic", 4, 10), 0.1);
  EXPECT_DOUBLE_EQ(at("cyclic", 7, 10), 0.05);
  EXPECT_DOUBLE_EQ(at("cyclic", 0.5, 1), 0.05);  // floor(2 / 5) = 0: only the fall
  EXPECT_DOUBLE_EQ(at("cyclic", 1, 1), 0);
  EXPECT_THROW(at("linear", 1, 1), Error);
}

}  // namespace
}  // namespace basin
