// The losses against float64 loops: value, hits and gradient, to the same bytes for any number of
// threads; extreme, infinite and NaN logits; labels out of range; their CUDA bodies; their flops.
#include "kernels/loss.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/error.h"
#include "kernels/loss.cuh"
#include "tests/support/block.h"
#include "tests/support/compare.h"
#include "tests/support/counted.h"
#include "tests/support/device.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

template <class T>
class LossTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(LossTest, Scalars);

struct Size {
  int64_t n, classes;
};
const Size kSizes[] = {{1, 1}, {1, 2}, {3, 10}, {128, 10}, {17, 33}, {64, 100}, {2000, 7}};

std::vector<int32_t> some_labels(const Size& size) {
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < size.n; ++i) {
    labels.push_back(static_cast<int32_t>(i * i % size.classes));
  }
  return labels;
}

// What cross_entropy writes.
template <class T>
struct Result {
  T loss, correct;
  std::vector<T> dz;
};

struct Meaning {
  double loss = 0, correct = 0;
  std::vector<double> dz;
};

template <class T>
Meaning meaning(const Size& size, const std::vector<T>& z, const std::vector<int32_t>& labels) {
  Meaning m;
  for (int64_t i = 0; i < size.n; ++i) {
    const T* row = z.data() + i * size.classes;
    const auto best = std::max_element(row, row + size.classes);  // the first of equals
    const double top = *best;
    double total = 0;
    for (int64_t k = 0; k < size.classes; ++k) total += std::exp(row[k] - top);
    m.loss += (std::log(total) + top - row[labels[i]]) / static_cast<double>(size.n);
    m.correct += best - row == labels[i] ? 1 : 0;
    for (int64_t k = 0; k < size.classes; ++k) {
      const double p = std::exp(row[k] - top) / total;
      m.dz.push_back((p - (k == labels[i] ? 1 : 0)) / static_cast<double>(size.n));
    }
  }
  return m;
}

template <class T>
Result<T> run(const Stream& stream, const Size& size, const std::vector<T>& z,
              const std::vector<int32_t>& labels) {
  const Placed<T> logits(stream, z, 1);
  const Placed<int32_t> targets(stream, labels);
  Placed<T> loss(stream, 1), correct(stream, 1), dz(stream, size.n * size.classes, 1);
  Placed<uint8_t> scratch(stream, cross_entropy_scratch(size.n));
  cross_entropy(stream, size.n, size.classes, logits.data(), targets.data(), loss.data(),
                correct.data(), dz.data(), scratch.data());
  EXPECT_TRUE(logits.intact() && targets.intact() && loss.intact() && correct.intact());
  EXPECT_TRUE(dz.intact() && scratch.intact());
  return {loss[0], correct[0], dz.values()};
}

template <class T>
Result<T> run_bodies(int threads, const Size& size, const std::vector<T>& z,
                     const std::vector<int32_t>& labels) {
  const double share = 1.0 / static_cast<double>(size.n);
  Guarded<T> loss(1), correct(1), dz(size.n * size.classes);
  Guarded<double> losses(size.n), hits(size.n);
  run_blocks<CrossEntropyBody<T>>(3, threads, size.n, static_cast<int>(size.classes), z.data(),
                                  labels.data(), share, dz.data(), losses.data(), hits.data());
  run_blocks<LossJoin<T>>(1, threads, size.n, losses.data(), share, loss.data());
  run_blocks<LossJoin<T>>(1, threads, size.n, hits.data(), 1.0, correct.data());
  EXPECT_TRUE(loss.intact() && correct.intact() && dz.intact() && losses.intact());
  return {loss[0], correct[0], dz.values()};
}

// Exponentials and their sum are in float64; a gradient is rounded to T twice, the mean of the
// losses once. Float64 itself rounds once in each of `classes` additions.
template <class T>
void expect_near(const Result<T>& found, const Meaning& expected, const Size& size) {
  const double growth = 4 + (std::is_same_v<T, double> ? static_cast<double>(size.classes) : 0.0);
  EXPECT_TRUE(
      within(found.loss, expected.loss, growth * eps_of<T>() * (1 + std::abs(expected.loss))));
  EXPECT_EQ(found.correct, expected.correct);
  EXPECT_TRUE(all_close(found.dz, expected.dz, growth,
                        eps_of<double>() / eps_of<T>() / static_cast<double>(size.n)));
}

TYPED_TEST(LossTest, CrossEntropy) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    for (const double scale : {0.1, 3.0, 300.0}) {
      const auto z = random_values<T>(size.n * size.classes, 1, scale);
      const auto labels = some_labels(size);
      const Meaning expected = meaning(size, z, labels);
      SameOnEachDevice<T> same_gradients, same_values;
      for (const Stream& stream : streams({1, 2, 3})) {
        const Result<T> found = run(stream, size, z, labels);
        expect_near(found, expected, size);
        EXPECT_TRUE(same_gradients(stream, found.dz));
        EXPECT_TRUE(same_values(stream, {found.loss, found.correct}));
      }
    }
  }
}

TYPED_TEST(LossTest, TheCrossEntropyBodiesOfTheOtherBackendDoTheSame) {
  using T = TypeParam;
  for (const Size& size : {Size{1, 1}, Size{3, 10}, Size{7, 100}}) {
    const auto z = random_values<T>(size.n * size.classes, 1, 3.0);
    const auto labels = some_labels(size);
    for (const int threads : {1, 32, 64}) {
      expect_near(run_bodies(threads, size, z, labels), meaning(size, z, labels), size);
    }
  }
}

TYPED_TEST(LossTest, TiesGoToTheFirstMaximum) {
  using T = TypeParam;
  const std::vector<T> z = {1, 2, 2, 0, 5, 5, 5, 5};
  for (const auto& [labels, hits] : std::vector<std::pair<std::vector<int32_t>, T>>{
           {{1, 0}, 2}, {{2, 0}, 1}, {{1, 3}, 1}, {{2, 1}, 0}}) {
    for (const Stream& stream : streams({1})) {
      EXPECT_EQ(run(stream, {2, 4}, z, labels).correct, hits) << name(stream);
    }
    EXPECT_EQ(run_bodies(32, {2, 4}, z, labels).correct, hits);
  }
}

// An almost certain prediction: p - 1 must not be the rounding error of p.
TYPED_TEST(LossTest, TheGradientOfACertainRowKeepsItsDigits) {
  using T = TypeParam;
  const std::vector<T> z = {20, 0};
  const double rest = std::exp(-20.0) / (1 + std::exp(-20.0));
  std::vector<Result<T>> all = {run_bodies<T>(1, {1, 2}, z, {0})};
  for (const Stream& stream : streams({1})) all.push_back(run<T>(stream, {1, 2}, z, {0}));
  for (const auto& found : all) {
    EXPECT_TRUE(within(found.dz[0], -rest, 4 * eps_of<T>() * rest + eps_of<double>()));
    EXPECT_TRUE(within(found.loss, std::log1p(std::exp(-20.0)),
                       4 * eps_of<T>() * rest + 4 * eps_of<double>()));
  }
}

TYPED_TEST(LossTest, NanAndInfinityReachTheLoss) {
  using T = TypeParam;
  for (const T bad : {poison<T>(), std::numeric_limits<T>::infinity()}) {
    for (int at = 0; at < 3; ++at) {
      std::vector<T> z = {1, 2, 3, 1, 2, 3};
      z[at] = bad;
      std::vector<Result<T>> all = {run_bodies<T>(1, {2, 3}, z, {2, 2})};
      for (const Stream& stream : streams({2})) all.push_back(run<T>(stream, {2, 3}, z, {2, 2}));
      for (const auto& found : all) {
        EXPECT_TRUE(std::isnan(found.loss));
        EXPECT_TRUE(std::isnan(found.dz[0]));
        EXPECT_TRUE(std::isfinite(found.dz[3]));
      }
      if (std::isnan(bad)) {
        for (const Stream& stream : streams({1})) {
          EXPECT_EQ(run<T>(stream, {2, 3}, z, {at, 2}).correct, 1)
              << "the NaN's row is not correct";
        }
        EXPECT_EQ(run_bodies<T>(1, {2, 3}, z, {at, 2}).correct, 1);
      }
    }
  }
}

TYPED_TEST(LossTest, LabelsOutOfRangeAreRefusedBeforeAnythingIsWritten) {
  using T = TypeParam;
  const std::vector<T> z(6, T(1));
  for (const int32_t bad : {-1, 3, 2'000'000'000}) {
    const std::vector<int32_t> labels = {2, bad};
    Guarded<T> loss(1), correct(1), dz(6);
    Guarded<double> scratch(4);
    try {
      cross_entropy(Stream::cpu(1), 2, 3, z.data(), labels.data(), loss.data(), correct.data(),
                    dz.data(), scratch.data());
      FAIL() << "label " << bad << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Usage);
      EXPECT_EQ(std::string(error.what()), "[cross_entropy] labels: found " + std::to_string(bad) +
                                               " at position 1, expected 0 to 2");
    }
    EXPECT_TRUE(std::isnan(loss[0]) && std::isnan(correct[0]) && std::isnan(dz[0]));
    // A device cannot throw: there the loss is NaN, and nothing past the row is read.
    std::vector<Result<T>> all = {run_bodies<T>(32, {2, 3}, z, labels)};
    for (const Stream& stream : streams({})) all.push_back(run<T>(stream, {2, 3}, z, labels));
    for (const auto& found : all) {
      EXPECT_TRUE(std::isnan(found.loss) && std::isnan(found.dz[3]) && std::isfinite(found.dz[0]));
    }
  }
}

TYPED_TEST(LossTest, SquaredError) {
  using T = TypeParam;
  std::vector<int64_t> sizes = kOddSizes;
  sizes.insert(sizes.end(), {0, 200'003});
  for (const int64_t n : sizes) {
    const auto x = random_values<T>(n, 1), y = random_values<T>(n, 2);
    const double scale = 0.5 / static_cast<double>(n + 1);
    double loss = 0;
    std::vector<double> gradient;
    for (int64_t i = 0; i < n; ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
      loss += scale * difference * difference;
      gradient.push_back(2 * scale * difference);
    }
    // A difference and a factor round to T; so does the sum, once.
    const double growth = 4 + static_cast<double>(n) * eps_of<double>() / eps_of<T>();
    // With `bodies`, the other backend's, by blocks of host threads.
    const auto check = [&](const Stream& stream, bool bodies) {
      const Placed<T> from(stream, x, 1), to(stream, y);
      Placed<T> found(stream, 1), dx(stream, n, 1);
      Placed<double> scratch(stream, reduce_partials(n) + 1);
      if (bodies) {
        const SquaredErrorTerm<T> term{static_cast<T>(2 * scale)};
        run_blocks<SquaredErrorBody<T>>(2, 16, n, term, from.data(), to.data(), dx.data(),
                                        scratch.data());
        run_blocks<LossJoin<T>>(1, 16, reduce_partials(n), scratch.data(), scale, found.data());
      } else {
        squared_error(stream, n, scale, from.data(), to.data(), found.data(), dx.data(),
                      scratch.data());
      }
      EXPECT_TRUE(within(found[0], loss, growth * eps_of<T>() * loss)) << n << ", " << name(stream);
      EXPECT_TRUE(all_close(dx.span(), gradient, 3, 2 * scale)) << n << ", " << name(stream);
      EXPECT_TRUE(from.intact() && to.intact() && found.intact() && dx.intact());
      EXPECT_TRUE(scratch.intact());
    };
    for (const Stream& stream : streams({1, 2, 3})) check(stream, false);
    if (n <= 20'000) check(Stream::cpu(1), true);
  }
}

TYPED_TEST(LossTest, SquaredErrorIsTheSameForAnyThreadCount) {
  using T = TypeParam;
  const int64_t n = 100'003;
  const auto x = random_values<T>(n, 1), y = random_values<T>(n, 2);
  SameOnEachDevice<T> same;
  for (const Stream& stream : streams({1, 2, 3})) {
    const Placed<T> from(stream, x), to(stream, y);
    Placed<double> scratch(stream, reduce_partials(n) + 1);
    Placed<T> out(stream, n + 1);
    squared_error(stream, n, 0.5, from.data(), to.data(), out.data() + n, out.data(),
                  scratch.data());
    EXPECT_TRUE(same(stream, out.values()));
  }
}

TEST(Loss, FlopsAreCounted) {
  for (const int classes : {1, 2, 10}) {
    std::vector<Counted> z, dz(classes);
    for (int k = 0; k < classes; ++k) z.emplace_back(0.5 * k, k);
    Counted::tally() = {};
    CrossEntropyRow<Counted>::run(classes, z.data(), 0, Counted(1.0), dz.data());
    using Row = CrossEntropyRow<Counted>;
    EXPECT_EQ(Counted::tally().flops, classes * Row::flops + Row::row_flops);
    EXPECT_EQ(static_cast<int>(Counted::tally().inputs_used.size()), classes * Row::reads);
  }
  Counted::tally() = {};
  Counted dx;
  SquaredErrorTerm<Counted>{Counted(2.0)}.add(Counted(0.0), Counted(1.0, 0), Counted(2.0, 1), dx);
  EXPECT_EQ(Counted::tally().flops, SquaredErrorTerm<Counted>::flops);
  EXPECT_EQ(Counted::tally().inputs_used, (std::set<int>{0, 1}));
  EXPECT_EQ(dx.source(), Counted::kComputed);
  constexpr Cost cost = cross_entropy_cost<float>(2, 10);
  static_assert(cost.bytes_read == 88 && cost.bytes_written == 80 && cost.flops == 108);
}

}  // namespace
}  // namespace basin::test
