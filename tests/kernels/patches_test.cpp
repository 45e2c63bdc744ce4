// Unfolding by its definition; folding as what it is the adjoint of.
#include "kernels/patches.h"

#include <gtest/gtest.h>

#include "kernels/patches.cuh"
#include "tests/support/block.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

template <class T>
class PatchesTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(PatchesTest, Scalars);

constexpr ConvShape kShapes[] = {{1, 1, 1, 1, 1, 1, 1, 0}, {2, 5, 4, 3, 1, 3, 1, 1},
                                 {3, 6, 5, 8, 1, 3, 2, 1}, {2, 4, 7, 4, 1, 1, 2, 0},
                                 {1, 3, 3, 5, 1, 5, 1, 2}, {2, 9, 8, 16, 1, 2, 3, 1}};

// body(patch's element, x's element) for each that lies in the image.
template <class Body>
void for_each_tap(const ConvShape& s, const Body& body) {
  for (int64_t k = 0; k < patch_count(s) * patch_size(s); ++k) {
    const int64_t c = k % s.c_in, tap = k / s.c_in % (s.kernel * s.kernel), r = k / patch_size(s);
    const int64_t q = r % s.w_out(), p = r / s.w_out() % s.h_out(), i = r / s.w_out() / s.h_out();
    const int64_t row = p * s.stride + tap / s.kernel - s.padding;
    const int64_t column = q * s.stride + tap % s.kernel - s.padding;
    if (row < 0 || row >= s.h || column < 0 || column >= s.w) continue;
    body(k, ((i * s.h + row) * s.w + column) * s.c_in + c);
  }
}

template <class T>
struct Case {
  explicit Case(const ConvShape& s)
      : x(random_values<T>(s.input_size(), 1)),
        patches(random_values<T>(patch_count(s) * patch_size(s), 2)),
        unfolded(patches.size(), T(0)),
        folded(x.size(), 0.0) {
    for_each_tap(s, [&](int64_t k, int64_t at) {
      unfolded[k] = x[at];
      folded[at] += patches[k];
    });
  }
  std::vector<T> x, patches, unfolded;
  std::vector<double> folded;
};

TYPED_TEST(PatchesTest, AreWhatEachWindowSees) {
  using T = TypeParam;
  for (const ConvShape& s : kShapes) {
    const Case<T> c(s);
    std::vector<double> added;
    for (size_t i = 0; i < c.x.size(); ++i) added.push_back(double{c.x[i]} + c.folded[i]);
    SameOnEachDevice<T> same;
    for (const Stream& stream : streams({1, 2, 3})) {
      SCOPED_TRACE(testing::Message() << to_string(s) << ", " << name(stream));
      const Placed<T> x(stream, c.x), from(stream, c.patches);
      Placed<T> patches(stream, static_cast<int64_t>(c.patches.size())), to(stream, s.input_size());
      unfold(stream, s, x.data(), patches.data());
      EXPECT_TRUE(same_bytes(patches.values(), c.unfolded));
      fold(stream, s, from.data(), to.data(), Write::Overwrite);
      EXPECT_TRUE(all_close(to.values(), c.folded, 25, 4));
      EXPECT_TRUE(same(stream, to.values()));
      Placed<T> sum(stream, c.x);
      fold(stream, s, from.data(), sum.data(), Write::Accumulate);
      EXPECT_TRUE(all_close(sum.values(), added, 25, 4));
      EXPECT_TRUE(x.intact() && patches.intact() && from.intact() && to.intact() && sum.intact());
    }
  }
}

TYPED_TEST(PatchesTest, TheBodiesOfTheOtherBackendDoTheSame) {
  using T = TypeParam;
  for (const ConvShape& s : kShapes) {
    const Case<T> c(s);
    for (const Access access : {Access::Packed, Access::Single}) {
      if (access == Access::Packed && s.c_in % kPackSize<T> != 0) continue;
      const Guarded<T> x(c.x), from(c.patches);
      Guarded<T> patches(static_cast<int64_t>(c.patches.size())), to(s.input_size());
      run_blocks<UnfoldBody<T>>(3, 16, s, access, x.data(), patches.data());
      EXPECT_TRUE(same_bytes(patches.values(), c.unfolded));
      run_blocks<FoldBody<T>>(3, 16, s, access, from.data(), to.data(), Write::Overwrite);
      EXPECT_TRUE(all_close(to.values(), c.folded, 25, 4));
      EXPECT_TRUE(patches.intact() && to.intact());
    }
  }
}

}  // namespace
}  // namespace basin::test
