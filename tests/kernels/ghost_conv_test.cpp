// A convolution's ghost against float64's convolution with the gradients as weights.
#include "kernels/ghost_conv.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/reference.h"
#include "tests/support/conv_case.h"

namespace basin::test {
namespace {

template <class T>
class GhostConvTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(GhostConvTest, Scalars);

using Doubles = std::vector<double>;

template <class T>
Doubles wide(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

double largest(const Doubles& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most;
}

template <class T>
void expect_ghost(const ConvShape& s, int64_t groups) {
  const Stream one = Stream::cpu(1);
  ConvShape each = s;
  each.n /= groups;
  const auto x = random_values<T>(s.input_size(), 1), x_then = random_values<T>(s.input_size(), 2);
  const auto dy = random_values<T>(s.output_size(), 3);
  const auto dy_then = random_values<T>(s.output_size(), 4);
  const auto y = random_values<T>(s.output_size(), 5), dx = random_values<T>(s.input_size(), 6);
  const Doubles x_at = wide(x), dy_at = wide(dy), x_new = wide(x_then), dy_new = wide(dy_then);
  Doubles norms, scales, y_expected = wide(y), dx_expected = wide(dx);
  for (int64_t g = 0; g < groups; ++g) {
    Doubles gradient(s.weight_size()), moved(each.output_size());
    const int64_t in = g * each.input_size(), out = g * each.output_size();
    reference::conv_backward_filter(one, each, x_at.data() + in, dy_at.data() + out,
                                    gradient.data(), Write::Overwrite);
    double norm = 0;
    for (const double v : gradient) norm += v * v;
    norms.push_back(norm);
    scales.push_back(0.1 * static_cast<double>(g + 1));
    for (double& v : gradient) v *= scales[g];
    reference::conv_forward(one, each, x_new.data() + in, gradient.data(), moved.data());
    for (size_t i = 0; i < moved.size(); ++i) y_expected[out + i] += moved[i];
    reference::conv_backward_data(one, each, dy_new.data() + out, gradient.data(),
                                  dx_expected.data() + in, Write::Accumulate);
  }
  const GhostShape shape = ghost_shape(s, groups);
  const double terms = static_cast<double>(2 * shape.rows + shape.in + shape.out);
  SameOnEachDevice<T> same_y, same_dx;
  for (const Stream& stream : streams({1, 2})) {
    SCOPED_TRACE(testing::Message()
                 << groups << " groups, " << to_string(s) << ", " << name(stream));
    const GhostConv<T> ghost(stream, s, groups);
    auto kept = Roomy<T>::of_bytes(stream, ghost.kept_bytes());
    auto scratch = Roomy<T>::of_bytes(stream, ghost.scratch_bytes());
    Placed<double> squared_norms(stream, groups);
    const Placed<double> factors(stream, scales);
    const Placed<T> x0(stream, x), dy0(stream, dy), x1(stream, x_then), dy1(stream, dy_then);
    Placed<T> y1(stream, y), dx1(stream, dx);
    ghost.keep(stream, x0.data(), dy0.data(), kept.data(), squared_norms.data(), scratch.data());
    ghost.add_to_output(stream, x1.data(), kept.data(), factors.data(), y1.data(), scratch.data());
    ghost.data_gradient(stream, dy1.data(), kept.data(), factors.data(), dx1.data(),
                        Write::Accumulate, scratch.data());
    const Doubles found = squared_norms.values();
    for (int64_t g = 0; g < groups; ++g) {
      EXPECT_NEAR(found[g], norms[g], terms * eps_of<T>() * largest(norms));
    }
    EXPECT_TRUE(all_close(y1.values(), y_expected, terms, largest(y_expected)));
    EXPECT_TRUE(all_close(dx1.values(), dx_expected, terms, largest(dx_expected)));
    EXPECT_TRUE(kept.intact() && scratch.intact() && squared_norms.intact());
    EXPECT_TRUE(y1.intact() && dx1.intact() && x1.intact() && dy1.intact());
    if (groups < stream.threads()) continue;  // a product's sums are then shared
    EXPECT_TRUE(same_y(stream, y1.values()) && same_dx(stream, dx1.values()));
  }
}

TYPED_TEST(GhostConvTest, DoesWhatTheGradientsWould) {
  using T = TypeParam;
  expect_ghost<T>({1, 3, 3, 1, 1, 3, 1, 1}, 1);
  expect_ghost<T>({6, 4, 4, 8, 12, 3, 2, 1}, 3);
  expect_ghost<T>({4, 4, 5, 9, 7, 3, 1, 1}, 4);
  expect_ghost<T>({4, 3, 3, 16, 5, 1, 1, 0}, 2);  // its patches are the pixels
  expect_ghost<T>({3, 5, 4, 6, 10, 1, 2, 0}, 3);
}

}  // namespace
}  // namespace basin::test
