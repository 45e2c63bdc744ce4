// Ghost gradients against the gradients themselves, formed in float64.
#include "kernels/ghost.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/ghost.cuh"
#include "tests/support/block.h"
#include "tests/support/conv_case.h"

namespace basin::test {
namespace {

template <class T>
class GhostTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(GhostTest, Scalars);

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most;
}

// Rows of a pass at w, and of another that they move.
template <class T>
struct Case {
  explicit Case(const GhostShape& s)
      : shape(s),
        x(random_values<T>(s.x_size(), 1)),
        dy(random_values<T>(s.y_size(), 2)),
        x_then(random_values<T>(s.x_size(), 3)),
        dy_then(random_values<T>(s.y_size(), 4)),
        y(random_values<T>(s.y_size(), 5)),
        dx(random_values<T>(s.x_size(), 6)) {
    for (int64_t g = 0; g < s.groups; ++g) scales.push_back(0.1 * static_cast<double>(g + 1));
    for (int64_t g = 0; g < s.groups; ++g) add_group(g);
  }

  void add_group(int64_t g) {
    const auto [groups, rows, in, out] = shape;
    std::vector<double> gradient(out * in, 0.0);
    const int64_t first = g * rows;
    for (int64_t r = first; r < first + rows; ++r) {
      for (int64_t o = 0; o < out; ++o) {
        for (int64_t i = 0; i < in; ++i) {
          gradient[o * in + i] += double{dy[r * out + o]} * double{x[r * in + i]};
        }
      }
    }
    double norm = 0;
    for (const double v : gradient) norm += v * v;
    squared_norms.push_back(norm);
    for (int64_t r = first; r < first + rows; ++r) {
      for (int64_t o = 0; o < out; ++o) {
        double moved = 0;
        for (int64_t i = 0; i < in; ++i) moved += double{x_then[r * in + i]} * gradient[o * in + i];
        y_expected.push_back(double{y[r * out + o]} + scales[g] * moved);
      }
      for (int64_t i = 0; i < in; ++i) {
        double moved = 0;
        for (int64_t o = 0; o < out; ++o) {
          moved += double{dy_then[r * out + o]} * gradient[o * in + i];
        }
        dx_moved.push_back(scales[g] * moved);
        dx_expected.push_back(double{dx[r * in + i]} + scales[g] * moved);
      }
    }
  }

  GhostShape shape;
  std::vector<T> x, dy, x_then, dy_then, y, dx;
  std::vector<double> scales, squared_norms, y_expected, dx_expected, dx_moved;
};

TYPED_TEST(GhostTest, DoesWhatTheGradientsWould) {
  using T = TypeParam;
  for (const GhostShape& s : {GhostShape{1, 1, 1, 1},
                              {3, 1, 40, 33},
                              {4, 3, 17, 5},
                              {2, 9, 130, 65},
                              {5, 2, 784, 10},
                              {2, 20, 12, 7}}) {
    const Case<T> c(s);
    const double terms = static_cast<double>(2 * s.rows + s.in + s.out);
    SameOnEachDevice<T> same_y, same_dx;
    for (const Stream& stream : streams({1, 2, 3})) {
      SCOPED_TRACE(testing::Message() << s.groups << " of " << s.rows << ", " << s.in << " -> "
                                      << s.out << ", " << name(stream));
      const GhostProduct<T> ghost(stream, s);
      auto kept = Roomy<T>::of_bytes(stream, ghost.kept_bytes());
      auto scratch = Roomy<T>::of_bytes(stream, ghost.scratch_bytes());
      Placed<double> norms(stream, s.groups);
      const Placed<double> scales(stream, c.scales);
      {
        const Placed<T> x(stream, c.x), dy(stream, c.dy);  // gone when they are needed again
        ghost.keep(stream, x.data(), dy.data(), kept.data(), norms.data(), scratch.data());
        EXPECT_TRUE(x.intact() && dy.intact());
        const std::vector<double> found = norms.values();
        for (int64_t g = 0; g < s.groups; ++g) {
          EXPECT_NEAR(found[g], c.squared_norms[g], terms * eps_of<T>() * largest(c.squared_norms));
        }
      }
      const Placed<T> x(stream, c.x_then), dy(stream, c.dy_then);
      Placed<T> y(stream, c.y), dx(stream, c.dx);
      ghost.add_to_output(stream, x.data(), kept.data(), scales.data(), y.data(), scratch.data());
      EXPECT_TRUE(all_close(y.values(), c.y_expected, terms, largest(c.y_expected)));
      ghost.data_gradient(stream, dy.data(), kept.data(), scales.data(), dx.data(),
                          Write::Accumulate, scratch.data());
      EXPECT_TRUE(all_close(dx.values(), c.dx_expected, terms, largest(c.dx_expected)));
      ghost.data_gradient(stream, dy.data(), kept.data(), scales.data(), dx.data(),
                          Write::Overwrite, scratch.data());
      EXPECT_TRUE(all_close(dx.values(), c.dx_moved, terms, largest(c.dx_moved)));
      EXPECT_TRUE(kept.intact() && scratch.intact() && norms.intact() && y.intact());
      EXPECT_TRUE(dx.intact() && x.intact() && dy.intact());
      if (s.groups < stream.threads()) continue;  // a product's sums are then shared
      EXPECT_TRUE(same_y(stream, y.values()) && same_dx(stream, dx.values()));
    }
  }
}

TYPED_TEST(GhostTest, RowsThatAreKeptInPlaceAreKept) {
  using T = TypeParam;
  const Case<T> c({3, 2, 9, 6});
  for (const Stream& stream : streams({1, 2})) {
    const GhostProduct<T> ghost(stream, c.shape);
    auto kept = Roomy<T>::of_bytes(stream, ghost.kept_bytes());
    auto scratch = Roomy<T>::of_bytes(stream, ghost.scratch_bytes());
    copy_to_device(stream, ghost.kept_x(kept.data()), c.x.data(),
                   c.shape.x_size() * int64_t{sizeof(T)});
    Placed<double> norms(stream, c.shape.groups);
    const Placed<T> dy(stream, c.dy);
    ghost.keep(stream, ghost.kept_x(kept.data()), dy.data(), kept.data(), norms.data(),
               scratch.data());
    EXPECT_TRUE(all_close(norms.values(), c.squared_norms, 40 * eps_of<T>() / eps_of<double>(),
                          largest(c.squared_norms)))
        << name(stream);
  }
}

TEST(GhostScales, CompleteTheNormsInTheirOrder) {
  constexpr int64_t kGroups = 37, kRows = 5;
  const std::vector<double> ghosts = [] {
    std::vector<double> squares = random_values<double>(kGroups * kRows, 1);
    for (double& v : squares) v *= v;
    return squares;
  }();
  const double rho = 0.05;
  for (const Normalise normalise : {Normalise::Yes, Normalise::No}) {
    for (const Stream& stream : streams({1, 2})) {
      std::vector<double> own(kGroups, 0.25), expected(own), scale(kGroups);
      own[3] = expected[3] = -1e9;  // as if rounding had left it so
      for (int64_t g = 0; g < kGroups; ++g) {
        for (int64_t k = 0; k < kRows; ++k) expected[g] += ghosts[k * kGroups + g];
        expected[g] = std::max(expected[g], 0.0);
        scale[g] = normalise == Normalise::Yes ? rho / (std::sqrt(expected[g]) + kNormGuard) : rho;
      }
      Placed<double> norms(stream, own), scales(stream, kGroups);
      const Placed<double> rows(stream, ghosts), radius(stream, std::vector<double>{rho});
      ghost_scales(stream, kGroups, kRows, rows.data(), radius.data(), normalise, norms.data(),
                   scales.data());
      EXPECT_TRUE(same_bytes(norms.values(), expected)) << name(stream);
      EXPECT_TRUE(same_bytes(scales.values(), scale)) << name(stream);
      EXPECT_TRUE(norms.intact() && scales.intact() && rows.intact());
    }
  }
}

TYPED_TEST(GhostTest, TheBodiesOfTheOtherBackendDoTheSame) {
  using T = TypeParam;
  constexpr int64_t kGroups = 5, kSize = 49;
  const auto a = random_values<T>(kGroups * kSize, 1), b = random_values<T>(kGroups * kSize, 2);
  const auto scales = random_values<double>(kGroups, 3);
  std::vector<double> dots(kGroups, 0.0), scaled;
  for (int64_t i = 0; i < kGroups * kSize; ++i) {
    dots[i / kSize] += double{a[i]} * double{b[i]};
    scaled.push_back(double{a[i]} * static_cast<T>(scales[i / kSize]));
  }
  for (const int threads : {1, 32, 64}) {
    const Guarded<T> left(a), right(b);
    const Guarded<double> factors(scales);
    Guarded<double> results(kGroups);
    Guarded<T> x(a);
    run_blocks<GroupDotsBody<T>>(3, threads, kGroups, kSize, left.data(), right.data(),
                                 results.data());
    EXPECT_TRUE(all_close(results.values(), dots, kSize, 1));
    run_blocks<ScaleGroupsBody<T>>(3, threads, kGroups, kSize, factors.data(), x.data());
    EXPECT_TRUE(all_close(x.values(), scaled, 1));
    EXPECT_TRUE(results.intact() && x.intact());
  }
}

TEST(GhostShape, IsWorthItWhereRowsAreFewerThanTheMatrixIsWide) {
  static_assert(ghost_is_smaller({128, 1, 784, 256}));
  static_assert(!ghost_is_smaller({1, 256, 784, 256}));
  static_assert(ghost_is_smaller({128, 16, 9 * 512, 512}));
  static_assert(!ghost_is_smaller({128, 1024, 9 * 16, 16}));
}

}  // namespace
}  // namespace basin::test
