#include "models/init.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/model.h"

namespace basin {
namespace {

TEST(Init, IsThePapersDistribution) {
  const Stream stream = Stream::cpu(1);
  const Model model = make_model({.name = "resnet18_gn", .width = 64});
  Arena w(stream, model.parameters, DType::Float32);
  initialise(stream, w, 0);
  double squares = 0;
  for (const LayoutEntry& e : model.parameters->entries()) {
    double sum = 0, square = 0, top = 0;
    for (const double v : w.read(stream, e)) {
      sum += v;
      square += v * v;
      top = std::max(top, std::fabs(v));
    }
    squares += square;
    const auto n = static_cast<double>(e.size);
    if (e.logical.size() == 4) {
      const double variance = 2.0 / static_cast<double>(e.logical[0] * e.logical[2] * e.logical[3]);
      EXPECT_NEAR(square / n, variance, 6 * variance * std::sqrt(2 / n)) << e.name;
      EXPECT_NEAR(sum / n, 0, 6 * std::sqrt(variance / n)) << e.name;
    } else if (e.name == "linear.weight") {
      const double bound = 1 / std::sqrt(static_cast<double>(e.logical[1]));
      EXPECT_LE(top, bound);
      EXPECT_GT(top, 0.99 * bound);
    } else {
      EXPECT_EQ(sum, e.role == Role::NormScale ? n : 0.0) << e.name;
    }
  }
  EXPECT_NEAR(std::sqrt(squares), 107.7, 0.5);  // ||w_init|| of resnet18_gn, width 64
}

TEST(Init, DependsOnTheSeedAndNotOnThePrecision) {
  const Stream stream = Stream::cpu(1);
  const Model model = make_model({.name = "resnet_tiny", .width = 2});
  Arena a(stream, model.parameters, DType::Float32), b = a.sibling(stream);
  Arena c(stream, model.parameters, DType::Float64);
  initialise(stream, a, 1);
  initialise(stream, b, 2);
  initialise(stream, c, 1);
  const LayoutEntry& e = model.parameters->at("conv1.weight");
  EXPECT_NE(a.read(stream, e), b.read(stream, e));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(a.read(stream, e)[i], static_cast<float>(c.read(stream, e)[i]));
  }
}

}  // namespace
}  // namespace basin
