// The loops that everything else is held to, held themselves to the textbook sums: one term at a
// time, every index written out.
#include "kernels/reference.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin {
namespace {

using test::all_close;
using test::Guarded;
using test::random_values;

struct Gradients {
  std::vector<double> y, dx, dw;
};

// Every term x[i] w[j] of every y[o]: forward and both gradients are sums over the same triples.
Gradients textbook_conv(const ConvShape& s, const std::vector<double>& x,
                        const std::vector<double>& w, const std::vector<double>& dy) {
  Gradients r{std::vector<double>(s.output_size()), std::vector<double>(s.input_size()),
              std::vector<double>(s.weight_size())};
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t oh = 0; oh < s.h_out(); ++oh)
      for (int64_t ow = 0; ow < s.w_out(); ++ow)
        for (int64_t co = 0; co < s.c_out; ++co)
          for (int64_t kh = 0; kh < s.kernel; ++kh)
            for (int64_t kw = 0; kw < s.kernel; ++kw)
              for (int64_t ci = 0; ci < s.c_in; ++ci) {
                const int64_t ih = oh * s.stride + kh - s.padding;
                const int64_t iw = ow * s.stride + kw - s.padding;
                if (ih < 0 || ih >= s.h || iw < 0 || iw >= s.w) continue;
                const int64_t i = ((n * s.h + ih) * s.w + iw) * s.c_in + ci;
                const int64_t j = ((co * s.kernel + kh) * s.kernel + kw) * s.c_in + ci;
                const int64_t o = ((n * s.h_out() + oh) * s.w_out() + ow) * s.c_out + co;
                r.y[o] += x[i] * w[j];
                r.dx[i] += dy[o] * w[j];
                r.dw[j] += dy[o] * x[i];
              }
  return r;
}

const ConvShape kShapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 0},    {2, 5, 7, 3, 4, 3, 1, 1},  {2, 9, 6, 4, 5, 3, 2, 1},
    {3, 8, 8, 2, 1, 1, 2, 0},    {1, 6, 5, 13, 9, 5, 1, 2}, {2, 7, 7, 33, 6, 3, 3, 0},
    {1, 4, 9, 1, 17, 4, 2, 3},   {2, 3, 3, 22, 3, 3, 1, 0}, {1, 2, 2, 5, 2, 1, 1, 2},
    {1, 16, 16, 16, 8, 3, 1, 1},
};

template <class T>
class ReferenceTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ReferenceTest, Scalars);

TYPED_TEST(ReferenceTest, ConvolutionIsItsTextbookSums) {
  using T = TypeParam;
  for (const int threads : {1, 2}) {
    const Stream stream = Stream::cpu(threads);
    for (const ConvShape& s : kShapes) {
      SCOPED_TRACE(to_string(s) + ", threads " + std::to_string(threads));
      const Guarded<T> x(random_values<float>(s.input_size(), 1));
      const Guarded<T> w(random_values<float>(s.weight_size(), 2));
      const Guarded<T> dy(random_values<float>(s.output_size(), 3));
      const auto wide = [](const Guarded<T>& v) {
        return std::vector<double>(v.data(), v.data() + v.size());
      };
      const Gradients expected = textbook_conv(s, wide(x), wide(w), wide(dy));
      const double taps = s.kernel * s.kernel;

      Guarded<T> y(s.output_size()), dx(s.input_size()), dw(s.weight_size());
      reference::conv_forward(stream, s, x.data(), w.data(), y.data());
      EXPECT_TRUE(all_close(y.span(), expected.y, taps * s.c_in, 16));
      reference::conv_backward_data(stream, s, dy.data(), w.data(), dx.data(), Write::Overwrite);
      EXPECT_TRUE(all_close(dx.span(), expected.dx, taps * s.c_out, 16));
      reference::conv_backward_filter(stream, s, x.data(), dy.data(), dw.data(), Write::Overwrite);
      EXPECT_TRUE(all_close(dw.span(), expected.dw, s.n * s.h_out() * s.w_out(), 16));

      // Accumulating once more doubles.
      const auto doubled = [](std::vector<double> v) {
        for (double& e : v) e *= 2;
        return v;
      };
      reference::conv_backward_data(stream, s, dy.data(), w.data(), dx.data(), Write::Accumulate);
      EXPECT_TRUE(all_close(dx.span(), doubled(expected.dx), 2 * taps * s.c_out, 16));
      reference::conv_backward_filter(stream, s, x.data(), dy.data(), dw.data(), Write::Accumulate);
      EXPECT_TRUE(all_close(dw.span(), doubled(expected.dw), 2 * s.n * s.h_out() * s.w_out(), 16));
      EXPECT_TRUE(y.intact() && dx.intact() && dw.intact());
    }
  }
}

TYPED_TEST(ReferenceTest, ConvolutionDoesNotDependOnTheThreads) {
  using T = TypeParam;
  const ConvShape s = {5, 16, 16, 8, 9, 3, 1, 1};  // enough work that both threads have some
  const auto x = random_values<T>(s.input_size(), 1), w = random_values<T>(s.weight_size(), 2);
  const auto dy = random_values<T>(s.output_size(), 3);
  std::vector<T> y[3], dx[3], dw[3];
  for (int run = 0; run < 3; ++run) {
    const Stream stream = Stream::cpu(1 + run);
    y[run].resize(s.output_size());
    dx[run].resize(s.input_size());
    dw[run].resize(s.weight_size());
    reference::conv_forward(stream, s, x.data(), w.data(), y[run].data());
    reference::conv_backward_data(stream, s, dy.data(), w.data(), dx[run].data(), Write::Overwrite);
    reference::conv_backward_filter(stream, s, x.data(), dy.data(), dw[run].data(),
                                    Write::Overwrite);
    EXPECT_TRUE(test::same_bytes(y[run], y[0]));
    EXPECT_TRUE(test::same_bytes(dx[run], dx[0]));
    EXPECT_TRUE(test::same_bytes(dw[run], dw[0]));
  }
}

TYPED_TEST(ReferenceTest, GemmIsItsTextbookSum) {
  using T = TypeParam;
  for (const int threads : {1, 2}) {
    const Stream stream = Stream::cpu(threads);
    for (const auto [m, n, k] : {std::array<int64_t, 3>{1, 1, 1},
                                 {5, 33, 17},
                                 {4, 32, 8},
                                 {7, 3, 65},
                                 {1, 70, 9},
                                 {64, 63, 62}}) {
      for (const Transpose ta : {Transpose::No, Transpose::Yes}) {
        for (const Transpose tb : {Transpose::No, Transpose::Yes}) {
          const GemmShape s = {m, n, k, ta, tb};
          SCOPED_TRACE(to_string(s));
          const auto a = random_values<T>(m * k, 1), b = random_values<T>(k * n, 2);
          std::vector<double> once(m * n), twice(m * n);
          for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < n; ++j) {
              double sum = 0;
              for (int64_t p = 0; p < k; ++p) {
                sum += static_cast<double>(ta == Transpose::No ? a[i * k + p] : a[p * m + i]) *
                       (tb == Transpose::No ? b[p * n + j] : b[j * k + p]);
              }
              once[i * n + j] = sum;
              twice[i * n + j] = 2 * sum;
            }
          }
          Guarded<T> c(m * n);
          reference::gemm(stream, s, a.data(), b.data(), c.data(), Write::Overwrite);
          EXPECT_TRUE(all_close(c.span(), once, k, 16));
          reference::gemm(stream, s, a.data(), b.data(), c.data(), Write::Accumulate);
          EXPECT_TRUE(all_close(c.span(), twice, 2 * k, 16));
          EXPECT_TRUE(c.intact());
        }
      }
    }
  }
}

}  // namespace
}  // namespace basin
