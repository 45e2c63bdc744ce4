// Convolutions of groups with weights of their own: each group is held to float64's convolution of
// its examples with its weights.
#include "kernels/group_conv.h"

#include <gtest/gtest.h>

#include "kernels/conv_tile_passes.cuh"
#include "kernels/error.h"
#include "kernels/groups_of.cuh"
#include "kernels/simd.h"
#include "tests/support/block.h"
#include "tests/support/conv_case.h"
#include "tests/support/groups.h"

namespace basin::test {
namespace {

// One shape's groups, each with inputs of its own.
template <class T>
struct Groups {
  Groups(const ConvShape& of, int64_t count, int64_t gap)
      : shape(of), groups{count, of.weight_size() + gap} {
    for (int64_t g = 0; g < count; ++g) {
      each.emplace_back(shape, 10 * g + 1);
      const ConvCase<T>& one = each.back();
      x.insert(x.end(), one.x.begin(), one.x.end());
      dy.insert(dy.end(), one.dy.begin(), one.dy.end());
      w.insert(w.end(), one.w.begin(), one.w.end());
    }
    w = spread(w, groups, shape.weight_size());
  }
  ConvShape shape;
  ParameterGroups groups;
  std::vector<ConvCase<T>> each;
  std::vector<T> x, dy;
  std::vector<Wide<T>> w;
};

template <class T>
class GroupConvCheck {
 public:
  GroupConvCheck(const Groups<T>& c, const Stream& stream, ConvAlgorithm algorithm)
      : c_(c),
        stream_(stream),
        conv_(stream, c.shape, c.groups, ConvPasses::All, algorithm),
        mixes_(conv_.description().find("winograd") != std::string::npos) {}

  // What each pass wrote at last.
  ConvResults<T> passes() {
    SCOPED_TRACE(testing::Message()
                 << c_.groups.count << " x " << to_string(c_.shape) << " by " << c_.groups.stride
                 << ", " << name(stream_) << ": " << conv_.description());
    const ConvShape& s = c_.shape;
    const int64_t count = c_.groups.count;
    const double taps = s.kernel * s.kernel, positions = s.n * s.h_out() * s.w_out();
    const ParameterGroups images{count, s.input_size()}, results{count, s.output_size()};
    const Placed<T> x(stream_, c_.x), dy(stream_, c_.dy);
    const Placed<Wide<T>> w(stream_, c_.w);
    auto packed = Roomy<T>::of_bytes(stream_, conv_.packed_bytes());
    auto scratch = Roomy<T>::of_bytes(stream_, conv_.scratch_bytes());
    Roomy<T> y(stream_, count * s.output_size()), dx(stream_, count * s.input_size());
    Roomy<Wide<T>> dw(stream_, extent_of(c_.groups, s.weight_size()));
    conv_.pack(stream_, w.data(), packed.data());
    conv_.forward(stream_, x.data(), w.data(), packed.data(), y.data(), scratch.data());
    expect<T>(y.span(), results, &ConvCase<T>::y, 1, taps * s.c_in);
    for (const int times : {1, 2}) {
      const Write mode = times == 1 ? Write::Overwrite : Write::Accumulate;
      conv_.backward_data(stream_, dy.data(), w.data(), packed.data(), dx.data(), mode,
                          scratch.data());
      expect<T>(dx.span(), images, &ConvCase<T>::dx, times, taps * s.c_out);
      conv_.backward_filter(stream_, x.data(), dy.data(), dw.data(), mode, scratch.data());
      expect<Wide<T>>(dw.span(), c_.groups, &ConvCase<T>::dw, times, positions);
      EXPECT_TRUE(gaps_intact(dw.span(), c_.groups, s.weight_size()));
    }
    EXPECT_TRUE(x.intact() && w.intact() && dy.intact());
    EXPECT_TRUE(packed.intact() && scratch.intact() && y.intact() && dx.intact() && dw.intact());
    const auto values = [](const auto& from) { return std::vector(from.begin(), from.end()); };
    return {values(y.span()), values(dx.span()), gathered(dw.span(), c_.groups, s.weight_size())};
  }

 private:
  template <class V>
  void expect(std::span<const V> all, ParameterGroups groups, Expected ConvCase<T>::*which,
              double times, double terms) const {
    const auto size = static_cast<int64_t>((c_.each[0].*which).value.size());
    for (int64_t g = 0; g < groups.count; ++g) {
      const Expected& expected = c_.each[g].*which;
      const std::vector<V> found = group_of(all, groups, size, g);
      EXPECT_TRUE(agrees<V>(std::span<const V>(found),
                            mixes_ ? expected.judged_by_the_largest() : expected, times, terms))
          << "group " << g;
    }
  }

  const Groups<T>& c_;
  Stream stream_;
  GroupConv<T> conv_;
  bool mixes_;
};

// Equal bytes of all runs of a device: with more threads than groups an image's sums are shared.
template <class T>
void expect_groups(const ConvShape& shape, int64_t count, int64_t gap,
                   std::initializer_list<int> threads = {1, 2},
                   ConvAlgorithm algorithm = ConvAlgorithm::Auto) {
  const Groups<T> c(shape, count, gap);
  SameOnEachDevice<T> same_y, same_dx;
  SameOnEachDevice<Wide<T>> same_dw;
  for (const Stream& stream : streams(threads)) {
    if (stream.is_cuda() && std::is_same_v<T, bfloat16>) continue;
    const auto found = GroupConvCheck<T>(c, stream, algorithm).passes();
    if (!stream.is_cuda() && count < stream.threads()) continue;
    EXPECT_TRUE(same_y(stream, found.y) && same_dx(stream, found.dx) && same_dw(stream, found.dw));
  }
}

template <class T>
class GroupConvTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(GroupConvTest, Scalars);

// Layers of a residual network, of one and of several examples a group.
TYPED_TEST(GroupConvTest, EachGroupHasItsWeights) {
  using T = TypeParam;
  expect_groups<T>({1, 4, 4, 32, 32, 3, 1, 1}, 8, 0);  // fewer positions than a tile
  expect_groups<T>({2, 8, 8, 16, 16, 3, 1, 1}, 3, 16);
  expect_groups<T>({1, 8, 8, 16, 32, 3, 2, 1}, 2, 48);
  expect_groups<T>({3, 8, 8, 16, 32, 1, 2, 0}, 2, 4);  // a shortcut
  expect_groups<T>({1, 9, 7, 3, 16, 3, 1, 1}, 3, 8);   // the first layer, whose w is 4 apart
  expect_groups<T>({2, 6, 5, 20, 12, 2, 3, 2}, 1, 0);
  expect_groups<T>({1, 5, 6, 7, 9, 3, 2, 1}, 3, 1);
}

TYPED_TEST(GroupConvTest, StridesNeedNotBeAligned) {
  using T = TypeParam;
  expect_groups<T>({1, 6, 6, 8, 8, 3, 1, 1}, 3, 1);
  expect_groups<T>({1, 6, 6, 8, 8, 3, 1, 1}, 2, 2);
}

// So few tiles that sums are split, of few parts and of many.
TYPED_TEST(GroupConvTest, SumsMayBeSplit) {
  using T = TypeParam;
  expect_groups<T>({2, 16, 16, 16, 16, 3, 1, 1}, 2, 16);
  expect_groups<T>({1, 16, 17, 4, 8, 3, 1, 1}, 2, 0);
}

TYPED_TEST(GroupConvTest, MoreThreadsThanGroupsShareEach) {
  expect_groups<TypeParam>({3, 12, 12, 16, 16, 3, 1, 1}, 2, 16, {1, 3});
}

TEST(GroupConvWinograd, AndDirectly) {
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::Winograd, ConvAlgorithm::Direct}) {
    expect_groups<float>({1, 12, 12, 16, 32, 3, 1, 1}, 3, 16, {1, 2}, algorithm);
  }
}

TEST(GroupConvBfloat16, IsConvsOnACpu) {
  if (!cpu::has_bfloat16()) GTEST_SKIP() << "found " << cpu::instruction_set();
  expect_groups<bfloat16>({2, 8, 8, 16, 32, 3, 1, 1}, 3, 16);
  expect_groups<bfloat16>({1, 8, 8, 16, 32, 1, 2, 0}, 2, 16);
}

// The tiles' bodies, with k whole and in parts, and the sum of parts.
TEST(GroupConvTiles, AreThoseOfOneConvolution) {
  using Tile = ConvTile<64, 16, 4, 4>;
  const Groups<float> c({2, 6, 5, 16, 16, 3, 1, 1}, 3, 16);
  const ConvShape& s = c.shape;
  const Guarded<float> x(c.x), dy(c.dy), w(c.w);
  const ConvTaps taps = ConvTaps::forward(s);
  const auto c_out = static_cast<int>(s.c_out);
  const GroupsArray<const float> images{x.data(), s.input_size()}, out{dy.data(), s.output_size()};
  const GroupsArray<const float> weights{w.data(), c.groups.stride};
  Guarded<float> y(c.groups.count * s.output_size());
  run_blocks<GroupsOf<ConvForwardTile<Tile, 4>>>(
      3, Tile::kThreads, 1, taps, c_out, TileGrid{1, 1, 1, 1}, images, weights,
      GroupsResult{{y.data(), 0, Write::Overwrite}, s.output_size()});
  constexpr int kSplits = 2, kTiles = 3;  // 9 * 16 weights of a channel
  const int64_t size = s.weight_size();
  Guarded<float> parts(c.groups.count * kSplits * size), dw(extent_of(c.groups, size));
  run_blocks<GroupsOf<ConvFilterTile<Tile, 4>>>(
      3 * kTiles * kSplits, Tile::kThreads, kTiles * kSplits, taps, c_out,
      TileGrid{kTiles, 1, 1, kSplits}, images, out,
      GroupsResult{{parts.data(), size, Write::Overwrite}, kSplits * size});
  using Sum = TilePartsSum<1>;
  const auto blocks = static_cast<int>(ceil_div<int64_t>(size / 4, Sum::kAcross));
  run_blocks<GroupsOf<Sum>>(3 * blocks, Sum::kMaxThreads, blocks, size, int64_t{kSplits},
                            GroupsArray<const float>{parts.data(), kSplits * size}, size,
                            GroupsResult{{dw.data(), 0, Write::Overwrite}, c.groups.stride});
  for (int64_t g = 0; g < c.groups.count; ++g) {
    const auto y_of = group_of(std::as_const(y).span(), {3, s.output_size()}, s.output_size(), g);
    const auto dw_of = group_of(std::as_const(dw).span(), c.groups, size, g);
    EXPECT_TRUE(agrees<float>(std::span<const float>(y_of), c.each[g].y, 1, 9 * 16)) << g;
    EXPECT_TRUE(agrees<float>(std::span<const float>(dw_of), c.each[g].dw, 1, 60)) << g;
  }
  EXPECT_TRUE(y.intact() && dw.intact() && parts.intact());
  EXPECT_TRUE(gaps_intact(std::as_const(dw).span(), c.groups, size));
}

template <class Make>
std::string error_of(const Make& make) {
  try {
    make();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Usage);
    return e.what();
  }
  return "";
}

TEST(GroupConvErrors, NameWhatWasFound) {
  const ConvShape s{1, 4, 4, 8, 8, 3, 1, 1};
  for (const Stream& stream : streams({1})) {
    const auto made = [&](ParameterGroups groups, const ConvShape& shape) {
      return error_of([&] { GroupConv<float>(stream, shape, groups, ConvPasses::All); });
    };
    EXPECT_EQ(made({0, 1000}, s), "[conv] groups: found 0, expected 1 or more");
    EXPECT_EQ(made({2, 575}, s),
              "[conv] groups: found weights 575 elements apart, expected at least the 576 of one");
    EXPECT_EQ(made({2, 1000}, {1, 4, 4, 8, 8, 3, 0, 1}),
              "[conv] stride: found 0, expected 1 or more");
    const GroupConv<float> forward(stream, s, {2, 576}, ConvPasses::Forward);
    EXPECT_EQ(error_of([&] {
                forward.backward_filter(stream, nullptr, nullptr, nullptr, Write::Overwrite,
                                        nullptr);
              }),
              "[conv] backward_filter: found a convolution made without it, expected "
              "ConvPasses::ForwardAndFilter or All");
    EXPECT_EQ(error_of([&] {
                forward.backward_data(stream, nullptr, nullptr, nullptr, nullptr, Write::Overwrite,
                                      nullptr);
              }),
              "[conv] backward_data: found a convolution made without it, expected "
              "ConvPasses::All");
    if (!stream.is_cuda()) continue;
    EXPECT_EQ(error_of([&] {
                GroupConv<bfloat16>(stream, s, {2, 576}, ConvPasses::All);
              }),
              "[conv] groups: found bfloat16 on CUDA, expected float32");
  }
}

TEST(GroupConvCost, IsThatOfEachGroup) {
  const ConvShape s{2, 4, 4, 8, 8, 3, 1, 1};
  const Cost one = conv_cost<float>(s), all = group_conv_cost<float>(s, 5);
  EXPECT_EQ(all.bytes(), 5 * one.bytes());
  EXPECT_EQ(all.flops, 5 * one.flops);
}

}  // namespace
}  // namespace basin::test
