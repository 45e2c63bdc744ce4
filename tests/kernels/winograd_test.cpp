// Winograd's convolution: shapes around its tiles, groups and lanes, and its error beside that of
// the direct one. The build runs this file at every vector width (tests/CMakeLists.txt).
#include "kernels/winograd.h"

#include <cstdio>
#include <functional>

#include "kernels/error.h"
#include "kernels/winograd_transforms.h"
#include "tests/support/conv_case.h"

namespace basin::test {
namespace {

// A shape of stride 1, and the same at stride 2.
void expect_winograd(ConvShape shape) {
  for (const int64_t stride : {1, 2}) {
    shape.stride = stride;
    const ConvCase<float> c(shape);
    for (const int threads : {1, 2}) {
      expect_conv(c, Stream::cpu(threads), ConvPasses::All, ConvAlgorithm::Winograd);
    }
  }
}

TEST(Winograd, ImagesOfEverySide) {
  for (int64_t side = 1; side <= 18; ++side) expect_winograd({2, side, side, 16, 16, 3, 1, 1});
  expect_winograd({3, 4, 9, 16, 32, 3, 1, 1});
  expect_winograd({1, 33, 2, 32, 16, 3, 1, 1});
}

TEST(Winograd, LanesOfChannels) {
  for (const int64_t c_in : {16, 32, 48, 80}) {
    for (const int64_t c_out : {16, 32, 48, 64}) expect_winograd({2, 8, 8, c_in, c_out, 3, 1, 1});
  }
}

TEST(Winograd, BatchesAroundAGroupOfTiles) {
  for (const int64_t n : {1, 7, 8, 9, 31, 33, 67}) expect_winograd({n, 4, 4, 64, 64, 3, 1, 1});
  expect_winograd({5, 32, 32, 16, 16, 3, 1, 1});
}

TEST(Winograd, FewerPasses) {
  const ConvCase<float> c({2, 6, 6, 16, 32, 3, 1, 1});
  for (const ConvPasses passes : {ConvPasses::Forward, ConvPasses::ForwardAndFilter}) {
    if (passes != ConvPasses::Forward) {
      expect_conv(c, Stream::cpu(2), passes, ConvAlgorithm::Winograd);
      continue;
    }
    const Stream stream = Stream::cpu(2);
    const Conv<float> conv(stream, c.shape, passes, ConvAlgorithm::Winograd);
    EXPECT_EQ(conv.packed_gradient_size(), 0);
    EXPECT_EQ(conv.description(), "winograd F(4x4,3x3) | - | -");
    EXPECT_EQ(Conv<float>(stream, {2, 6, 6, 16, 32, 3, 2, 1}, passes, ConvAlgorithm::Winograd)
                  .description(),
              "winograd F(4x4,2x2) by phases | - | -");
  }
}

TEST(Winograd, FitsWholeLanesOfAThreeByThreeKernel) {
  const ConvShape good{8, 8, 8, 16, 32, 3, 1, 1};
  EXPECT_TRUE(winograd_fits(good));
  EXPECT_TRUE(winograd_is_faster(good));
  ConvShape s = good;
  s.n = 1, s.h = 4;  // two tiles
  EXPECT_TRUE(winograd_fits(s));
  EXPECT_FALSE(winograd_is_faster(s));
  for (const auto& change : std::vector<std::function<void(ConvShape&)>>{
           [](ConvShape& c) { c.c_in = 8; }, [](ConvShape& c) { c.c_out = 24; },
           [](ConvShape& c) { c.stride = 3; }, [](ConvShape& c) { c.padding = 0; },
           [](ConvShape& c) { c.kernel = 1, c.padding = 0; }}) {
    s = good;
    change(s);
    EXPECT_FALSE(winograd_fits(s)) << to_string(s);
    const Conv<float> conv(Stream::cpu(1), s, ConvPasses::Forward, ConvAlgorithm::Winograd);
    EXPECT_EQ(conv.description().find("winograd"), std::string::npos) << to_string(s);
  }
  const Conv<float> direct(Stream::cpu(1), good, ConvPasses::Forward, ConvAlgorithm::Direct);
  EXPECT_EQ(direct.description().find("winograd"), std::string::npos);
}

// The error of each pass as 2-norms, relative.
struct Errors {
  double forward, data, filter;
};
Errors errors_of(const ConvCase<float>& c, ConvAlgorithm algorithm) {
  const Stream stream = Stream::cpu(1);
  const ConvShape& s = c.shape;
  const Conv<float> conv(stream, s, ConvPasses::All, algorithm);
  auto packed = Roomy<float>::of_bytes(stream, conv.packed_bytes());
  auto scratch = Roomy<float>::of_bytes(stream, conv.scratch_bytes());
  Roomy<float> y(stream, s.output_size()), dx(stream, s.input_size()), dw(stream, s.weight_size());
  Roomy<float> sums(stream, std::max(conv.packed_gradient_size(), s.weight_size()));
  conv.pack(stream, c.w.data(), packed.data());
  conv.forward(stream, c.x.data(), c.w.data(), packed.data(), y.data(), scratch.data());
  conv.backward_data(stream, c.dy.data(), c.w.data(), packed.data(), dx.data(), Write::Overwrite,
                     scratch.data());
  conv.backward_filter(stream, c.x.data(), c.dy.data(), sums.data(), Write::Overwrite,
                       scratch.data());
  if (conv.packed_gradient_size() > 0) {
    conv.unpack_gradient(stream, sums.data(), dw.data(), Write::Overwrite);
  } else {
    std::copy_n(sums.data(), s.weight_size(), dw.data());
  }
  const auto error = [](std::span<const float> found, const std::vector<double>& expected) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      difference += (found[i] - expected[i]) * (found[i] - expected[i]);
      size += expected[i] * expected[i];
    }
    return std::sqrt(difference / size);
  };
  return {error(y.span(), c.y.value), error(dx.span(), c.dx.value), error(dw.span(), c.dw.value)};
}

TEST(Winograd, ErrorBesideTheDirectConvolutions) {
  for (const auto& [c, stride] :
       {std::pair<int64_t, int64_t>{16, 1}, {32, 1}, {64, 1}, {128, 1}, {16, 2}, {64, 2}}) {
    const ConvCase<float> one({8, 512 / c, 512 / c, c, c, 3, stride, 1});
    const Errors w = errors_of(one, ConvAlgorithm::Winograd);
    const Errors d = errors_of(one, ConvAlgorithm::Direct);
    std::printf("%s: winograd %.1e %.1e %.1e, direct %.1e %.1e %.1e (forward, data, filter)\n",
                to_string(one.shape).c_str(), w.forward, w.data, w.filter, d.forward, d.data,
                d.filter);
    // Lavin and Gray measure a few times the direct error for F(4x4, 3x3); 1e-5 would be a fault.
    for (const double e : {w.forward, w.data, w.filter}) EXPECT_LT(e, 1e-5);
  }
}

// The transforms in float64: y = A^T [(G g) . (B^T d)] and dw = G^T [(B^T d) . (A dy)] are exact
// for K taps on N values.
template <int N, int K>
void expect_exact_correlation(const std::vector<double>& values) {
  double d[N], g[K], f[N], u[N], m[N], y[4];
  std::copy_n(values.begin(), N, d);
  std::copy_n(values.begin() + 6, K, g);
  winograd::transform_input(d, f);
  winograd::transform_weights(g, u);
  for (int i = 0; i < N; ++i) m[i] = f[i] * u[i];
  winograd::transform_output(m, y);
  // The weights' fractions are floats, which is what their rounding allows for.
  for (int i = 0; i < 4; ++i) {
    double expected = 0;
    for (int k = 0; k < K; ++k) expected += d[i + k] * g[k];
    EXPECT_NEAR(y[i], expected, 1e-6);
  }
  // One tap on four values shares the gradient of its scheme, whose last frequency it lacks.
  double dy[4], e[N == 4 ? 5 : N], s[N], dw[K];
  std::copy_n(values.begin() + 9, 4, dy);
  winograd::transform_output_gradient(dy, e);
  for (int i = 0; i < N; ++i) s[i] = f[i] * e[i];
  winograd::transform_weight_gradient(s, dw);
  for (int k = 0; k < K; ++k) {
    double expected = 0;
    for (int i = 0; i < 4; ++i) expected += dy[i] * d[i + k];
    EXPECT_NEAR(dw[k], expected, 1e-6);
  }
}

TEST(WinogradTransforms, AreAnExactCorrelation) {
  const std::vector<double> values = random_values<double>(13, 1);
  expect_exact_correlation<6, 3>(values);
  expect_exact_correlation<5, 2>(values);
  expect_exact_correlation<4, 1>(values);
}

}  // namespace
}  // namespace basin::test
