// The scalars of a step: read, written and moved on where the stream runs.
#include "kernels/step.h"

#include <gtest/gtest.h>

#include "tests/support/device.h"

namespace basin::test {
namespace {

// A value in the stream's memory.
template <class T>
class There {
 public:
  There(const Stream& stream, const T& value) : stream_(stream), memory_(stream, sizeof(T)) {
    copy_to_device(stream, memory_.data(), &value, sizeof(T));
  }
  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  T value() const {
    T value;
    copy_to_host(stream_, &value, memory_.data(), sizeof(T));
    return value;
  }

 private:
  Stream stream_;
  Buffer memory_;
};

TEST(Step, TheRateOfEachStepAndARowForIt) {
  for (const Stream& stream : streams({1})) {
    const There<StepCursor> cursor(stream, {1, 7});
    const Placed<double> rates(stream, std::vector<double>{0.5, 0.25, 0.125});
    Placed<double> rate(stream, 1), rows(stream, 3 * 3);
    auto* results = reinterpret_cast<StepResult*>(rows.data());
    for (int i = 1; i < 3; ++i) {
      const There<PassResult> first(stream, {1.0 + i, 10.0 + i}), last(stream, {2.0 + i, 20.0 + i});
      begin_step(stream, cursor.data(), rates.data(), rate.data());
      EXPECT_EQ(rate[0], i == 1 ? 0.25 : 0.125) << name(stream);
      end_step(stream, cursor.data(), first.data(), last.data(), results);
    }
    EXPECT_EQ(cursor.value().step, 3);
    EXPECT_EQ(cursor.value().epoch, 7u);
    const std::vector<double> values = rows.values();
    EXPECT_EQ(std::vector<double>(values.begin() + 3, values.end()),
              (std::vector<double>{2, 11, 3, 3, 12, 4}));
    EXPECT_TRUE(rows.intact() && rate.intact() && rates.intact());
  }
}

TEST(Step, TheNextBatchOfTheEpoch) {
  for (const Stream& stream : streams({1})) {
    There<StepCursor> cursor(stream, {4, 7});
    next_batch(stream, cursor.data());
    EXPECT_EQ(cursor.value().step, 5) << name(stream);
    EXPECT_EQ(cursor.value().epoch, 7u);
  }
}

template <class T>
class PassResultTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(PassResultTest, Scalars);

TYPED_TEST(PassResultTest, AddsTheL2Term) {
  using T = TypeParam;
  for (const Stream& stream : streams({1})) {
    const Placed<T> loss(stream, std::vector<T>{T(1.5)}), correct(stream, std::vector<T>{T(3)});
    const Placed<double> norm(stream, std::vector<double>{8});
    const There<PassResult> result(stream, {0, 0});
    PassParts<T> whole{
        .loss = loss.data(), .correct = correct.data(), .l2 = 0.25, .squared_norms = norm.data()};
    pass_result(stream, whole, result.data());
    EXPECT_EQ(result.value().loss, 2.5);
    EXPECT_EQ(result.value().correct, 3);
    whole.l2 = 0;
    whole.squared_norms = nullptr;
    pass_result(stream, whole, result.data());
    EXPECT_EQ(result.value().loss, 1.5) << name(stream);
  }
}

TYPED_TEST(PassResultTest, SumsThePartsByTheirShares) {
  using T = TypeParam;
  for (const Stream& stream : streams({1})) {
    const Placed<T> loss(stream, std::vector<T>{T(1), T(4)});
    const Placed<T> correct(stream, std::vector<T>{T(3), T(2)});
    const Placed<double> share(stream, std::vector<double>{0.75, 0.25});
    const Placed<double> norms(stream, std::vector<double>{8, 16, 4});
    const Placed<double> norm_share(stream, std::vector<double>{0.5, 0.25, 0.25});
    const There<PassResult> result(stream, {0, 0});
    const PassParts<T> parts{.loss = loss.data(),
                             .correct = correct.data(),
                             .l2 = 0.5,
                             .squared_norms = norms.data(),
                             .parts = 2,
                             .norms = 3,
                             .share = share.data(),
                             .norm_share = norm_share.data()};
    pass_result(stream, parts, result.data());
    EXPECT_EQ(result.value().loss, 1.75 + 0.25 * 9) << name(stream);
    EXPECT_EQ(result.value().correct, 5);
  }
}

}  // namespace
}  // namespace basin::test
