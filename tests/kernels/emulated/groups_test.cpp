// What kernels on groups launch, which does not depend on how many groups there are.
#include <gtest/gtest.h>

#include <string>

#include "kernels/bias.h"
#include "kernels/emulated/device.h"
#include "kernels/gemm.h"
#include "kernels/group_conv.h"
#include "kernels/norm_act.h"
#include "kernels/reduce.h"
#include "kernels/sam_groups.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

using emulated::Counts;

// What run(count) puts on the stream.
template <class Run>
Counts put_by(int64_t count, const Run& run) {
  const Counts before = emulated::counts();
  run(count);
  return emulated::counts() - before;
}
template <class Run>
void expect_launches(int64_t kernels, const Run& run) {
  for (const int64_t count : {1, 2, 9, 64}) {
    EXPECT_EQ(put_by(count, run), Counts{.kernels = kernels}) << count << " groups";
  }
}

TEST(GroupLaunches, NormsAreTwoAndTheAscentIsOne) {
  const Stream stream = Stream::cuda(0);
  const int64_t n = 100;
  const Placed<float> w(stream, std::vector<float>(n, 1)), g(stream, std::vector<float>(64 * n, 2));
  const Placed<double> rho(stream, std::vector<double>{0.5});
  Placed<float> points(stream, 64 * n);
  Placed<double> norms(stream, 64), partials(stream, 64);
  expect_launches(2, [&](int64_t count) {
    squared_norms(stream, {count, n}, n, g.data(), partials.data(), norms.data());
  });
  expect_launches(1, [&](int64_t count) {
    sam_ascent_groups(stream, {count, n}, n, w.data(), g.data(), norms.data(), rho.data(),
                      Normalise::Yes, points.data());
  });
  stream.synchronize();
}

TEST(GroupLaunches, ABiasIsOneAndItsGradientIsTwo) {
  const Stream stream = Stream::cuda(0);
  Placed<float> x(stream, std::vector<float>(64 * 6, 1)), b(stream, std::vector<float>(64 * 3, 2));
  Placed<float> partials(stream, 64 * 3);
  expect_launches(1, [&](int64_t count) {
    bias_forward(stream, 2 * count, 3, x.data(), b.data(), x.data(), {count, 3});
  });
  expect_launches(2, [&](int64_t count) {
    column_sum(stream, 2 * count, 3, x.data(), partials.data(), b.data(), Write::Overwrite,
               {count, 3});
  });
  stream.synchronize();
}

TEST(GroupLaunches, ANormIsOneAndItsGradientIsTwo) {
  const Stream stream = Stream::cuda(0);
  const NormShape shape{64, 4, 8, 2};
  const Placed<float> x(stream, std::vector<float>(shape.size(), 1));
  Placed<float> parameters(stream, std::vector<float>(64 * 8, 2)), gradients(stream, 64 * 8);
  Placed<float> y(stream, shape.size()), mean(stream, 64 * 2), rstd(stream, 64 * 2);
  Placed<char> scratch(stream, group_norm_act_scratch<float>(stream, shape));
  const float *none = nullptr, *gamma = parameters.data();
  for (const int64_t count : {1, 2, 64}) {
    const ParameterGroups groups{count, 8};
    Counts before = emulated::counts();
    group_norm_act_forward(stream, shape, x.data(), none, gamma, gamma, 1e-5, Activation::Relu,
                           static_cast<float*>(nullptr), y.data(), mean.data(), rstd.data(),
                           scratch.data(), groups);
    EXPECT_EQ(emulated::counts() - before, Counts{.kernels = 1}) << count << " groups";
    before = emulated::counts();
    group_norm_act_backward(stream, shape, x.data(), x.data(), gamma, gamma, mean.data(),
                            rstd.data(), Activation::Relu, y.data(), Write::Overwrite,
                            gradients.data(), gradients.data(), Write::Overwrite, scratch.data(),
                            groups, groups);
    EXPECT_EQ(emulated::counts() - before, Counts{.kernels = 2}) << count << " groups";
  }
  stream.synchronize();
}

// One, and one more where the pass's part of a description names parts.
Counts launches_of(const std::string& pass) {
  return {.kernels = pass.find("parts") == std::string::npos ? 1 : 2};
}

template <class T>
void expect_conv_launches(const ConvShape& s) {
  const Stream stream = Stream::cuda(0);
  const ParameterGroups most{9, s.weight_size()};
  const Placed<T> x(stream, std::vector<T>(most.count * s.input_size(), 1));
  Placed<T> w(stream, std::vector<T>(most.count * most.stride, 1));
  Placed<T> y(stream, most.count * s.output_size());
  for (const int64_t count : {1, 2, 9}) {
    const GroupConv<T> conv(stream, s, {count, most.stride}, ConvPasses::ForwardAndFilter);
    const std::string text = conv.description();
    SCOPED_TRACE(testing::Message() << count << " groups: " << text);
    Placed<char> scratch(stream, conv.scratch_bytes());
    Counts before = emulated::counts();
    conv.forward(stream, x.data(), w.data(), nullptr, y.data(), scratch.data());
    EXPECT_EQ(emulated::counts() - before, launches_of(text.substr(0, text.find(" | "))));
    before = emulated::counts();
    conv.backward_filter(stream, x.data(), y.data(), w.data(), Write::Overwrite, scratch.data());
    EXPECT_EQ(emulated::counts() - before, launches_of(text.substr(text.rfind(" | "))));
    stream.synchronize();
  }
}

TEST(GroupLaunches, APassOfAConvolutionIsOneOrTwoWhereSumsAreSplit) {
  expect_conv_launches<float>({1, 4, 4, 4, 16, 1, 1, 0});
  expect_conv_launches<float>({1, 16, 16, 4, 4, 3, 1, 1});
  expect_conv_launches<double>({1, 4, 4, 4, 4, 3, 1, 1});
}

TEST(GroupLaunches, ABatchOfProductsIsOneCall) {
  const Stream stream = Stream::cuda(0);
  const Placed<float> a(stream, std::vector<float>(64 * 6, 1)), b(stream, a.values());
  Placed<float> c(stream, 64 * 4);
  for (const int64_t count : {1, 2, 9, 64}) {
    const Gemm<float> gemm(stream, {2, 2, 3}, {count, 6, 6, 4});
    const Counts before = emulated::counts();
    gemm.run(stream, a.data(), b.data(), c.data(), Write::Overwrite, nullptr);
    EXPECT_EQ(emulated::counts() - before, Counts{.others = 1}) << count << " products";
  }
  stream.synchronize();
}

}  // namespace
}  // namespace basin::test
