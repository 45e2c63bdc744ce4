// Convolution against float64 loops on every device: every pass, narrow and odd shapes, hostile
// memory; and the bodies of the float64 loops.
#include "kernels/conv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "kernels/conv_reference.cuh"
#include "kernels/error.h"
#include "kernels/simd.h"
#include "tests/support/block.h"
#include "tests/support/conv_case.h"

namespace basin::test {
namespace {

constexpr std::array<int64_t, 8> kChannels = {1, 2, 3, 4, 8, 13, 16, 32};

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Usage);
    return e.what();
  }
  return "no error";
}

// Those that convolve T: a CPU may lack bfloat16.
template <class T>
std::vector<Stream> conv_streams(std::initializer_list<int> threads) {
  std::vector<Stream> all = streams(threads);
  if (std::is_same_v<T, bfloat16> && !cpu::has_bfloat16()) {
    std::erase_if(all, [](const Stream& stream) { return !stream.is_cuda(); });
  }
  return all;
}

// On all streams, of which those on CUDA give equal bytes.
template <class T>
void expect_conv_on(const std::vector<Stream>& all, const ConvCase<T>& c,
                    ConvPasses passes = ConvPasses::All) {
  SameOnEachDevice<T> same_y, same_dx;
  SameOnEachDevice<Wide<T>> same_dw;
  for (const Stream& stream : all) {
    const ConvResults<T> found = expect_conv(c, stream, passes);
    if (!stream.is_cuda()) continue;
    EXPECT_TRUE(same_y(stream, found.y)) << to_string(c.shape);
    EXPECT_TRUE(same_dx(stream, found.dx)) << to_string(c.shape);
    EXPECT_TRUE(same_dw(stream, found.dw)) << to_string(c.shape);
  }
}

template <class T>
void check_kernel(int64_t kernel, int64_t stride, int64_t padding) {
  const std::vector<Stream> all = conv_streams<T>({1, 2});
  for (size_t i = 0; i < kChannels.size(); ++i) {
    for (size_t j = i % 2; j < kChannels.size(); j += 2) {
      // Odd images, and one of 16 x 16: the least where oneDNN's weight gradient shares an image.
      const int64_t turn = static_cast<int64_t>(i + j / 2), n = turn % 2 == 0 ? 1 : 5;
      const int64_t h = std::array{7, 16, 9}[turn % 3], w = std::array{7, 16, 4}[turn % 3];
      const ConvCase<T> c({n, h, w, kChannels[i], kChannels[j], kernel, stride, padding});
      expect_conv_on(all, c);
    }
  }
}

template <class T>
class ConvTest : public testing::Test {
 protected:
  void SetUp() override {
    if (conv_streams<T>({1}).empty()) GTEST_SKIP() << "found " << cpu::instruction_set();
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ConvTest, Scalars);
using ConvBfloat16 = ConvTest<bfloat16>;

template <class T>
class ConvKernels : public ConvTest<T> {};
using StoredScalars = testing::Types<float, double, bfloat16>;
TYPED_TEST_SUITE(ConvKernels, StoredScalars);

TYPED_TEST(ConvKernels, Kernel3Stride1) {
  check_kernel<TypeParam>(3, 1, 1);
}
TYPED_TEST(ConvKernels, Kernel3Stride2) {
  check_kernel<TypeParam>(3, 2, 1);
}
TYPED_TEST(ConvKernels, Kernel1Stride1) {
  check_kernel<TypeParam>(1, 1, 0);
}
TYPED_TEST(ConvKernels, Kernel1Stride2) {
  check_kernel<TypeParam>(1, 2, 0);
}
TYPED_TEST(ConvTest, OtherKernels) {
  for (const ConvShape& s : {ConvShape{2, 12, 10, 3, 6, 5, 1, 0},
                             {1, 9, 9, 4, 5, 2, 2, 0},
                             {2, 11, 7, 17, 3, 7, 3, 3},
                             {1, 1, 1, 5, 5, 3, 1, 1},
                             {2, 4, 4, 3, 2, 1, 1, 2},
                             {3, 5, 6, 8, 8, 1, 3, 0}}) {
    expect_conv_on(conv_streams<TypeParam>({1, 2}), ConvCase<TypeParam>(s));
  }
}

TYPED_TEST(ConvTest, Tf32IsOffByItsRoundingAlone) {
  if (cuda_device_count() == 0) return;
  const Stream stream = Stream::cuda(0, Tf32::Yes);
  for (const ConvShape& s :
       {ConvShape{2, 9, 9, 8, 16, 3, 1, 1}, {2, 9, 9, 8, 16, 3, 2, 1}, {2, 9, 9, 8, 16, 1, 1, 0}}) {
    expect_conv(ConvCase<TypeParam>(s), stream, ConvPasses::All, ConvAlgorithm::Auto,
                std::is_same_v<TypeParam, float> ? kTf32Products : 0);
  }
}

// A strided shortcut of a narrow network: oneDNN's weight gradient writes out of bounds here, and
// without the data gradient's scratch there is no room for it to do so unseen.
TEST(ConvShortcut, StaysWithinItsMemory) {
  for (const int64_t c_in : {1, 3, 4, 8, 15}) {
    for (const int64_t n : {1, 5}) {
      const ConvCase<float> c({n, 32, 32, c_in, 2 * c_in, 1, 2, 0});
      expect_conv_on(streams({1, 2}), c);
      expect_conv_on(streams({1, 2}), c, ConvPasses::ForwardAndFilter);
    }
  }
}

TEST_F(ConvBfloat16, WeightsAreRoundedWhereTheyArePacked) {
  ConvCase<bfloat16> c({2, 5, 5, 4, 4, 3, 1, 1});
  for (float& w : c.w) w *= 1 + 0.9F / 512;  // below half a step
  expect_conv_on(conv_streams<bfloat16>({1}), c);
}

// Where oneDNN has only a plain loop, a convolution in bfloat16 is refused.
TEST_F(ConvBfloat16, NeverRunsByPlainLoops) {
  if (!cpu::has_bfloat16()) return;
  EXPECT_THAT(error_of([] {
                Conv<bfloat16>(Stream::cpu(1), {2, 4, 4, 3, 2, 1, 2, 1}, ConvPasses::All);
              }),
              testing::HasSubstr("expected float32"));
}

// The convolutions of resnet_tiny, width 16: none may fall to oneDNN's plain loops, or to ours.
TEST(ConvDescription, NothingInResnetTinyRunsByPlainLoops) {
  for (const int64_t n : {1, 32}) {
    for (const int threads : {1, 2}) {
      const auto name = [&](int64_t side, int64_t c_in, int64_t c_out, int64_t kernel,
                            int64_t stride) {
        const ConvShape s = {n, side, side, c_in, c_out, kernel, stride, kernel / 2};
        return Conv<float>(Stream::cpu(threads), s, ConvPasses::All).description();
      };
      std::vector<std::string> names = {name(32, 3, 16, 3, 1)};
      for (int64_t side = 32, c = 16; side >= 4; side /= 2, c *= 2) {
        names.push_back(name(side, c, c, 3, 1));
        if (side == 4) break;
        names.push_back(name(side, c, 2 * c, 3, 2));
        names.push_back(name(side, c, 2 * c, 1, 2));
      }
      for (const std::string& found : names) {
        EXPECT_EQ(found.find("ref"), std::string::npos) << found;
        EXPECT_EQ(found.find("loops"), std::string::npos) << found;
      }
    }
  }
}

// Each thread its own convolution and a stream of one thread, all at once: the way in which the
// engine runs chunks of a batch.
TYPED_TEST(ConvTest, RunsConcurrently) {
  using T = TypeParam;
  const ConvCase<T> c({4, 16, 16, 16, 16, 3, 1, 1});
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&c] { expect_conv(c, Stream::cpu(1)); });
  for (auto& t : threads) t.join();
#pragma omp parallel num_threads(2)
  expect_conv(c, Stream::cpu(1));
}

TYPED_TEST(ConvTest, MayBeMoved) {
  using T = TypeParam;
  const Stream stream = Stream::cpu(1);
  const ConvCase<T> c({1, 5, 5, 4, 4, 3, 1, 1});
  Conv<T> first(stream, c.shape, ConvPasses::Forward);
  const Conv<T> conv(std::move(first));
  auto packed = Roomy<T>::of_bytes(stream, conv.packed_bytes());
  auto scratch = Roomy<T>::of_bytes(stream, conv.scratch_bytes());
  Roomy<T> y(stream, c.shape.output_size());
  conv.pack(stream, c.w.data(), packed.data());
  conv.forward(stream, c.x.data(), c.w.data(), packed.data(), y.data(), scratch.data());
  EXPECT_TRUE(agrees<T>(y.span(), c.y, 1, 9 * 4));
}

TYPED_TEST(ConvTest, RefusesShapesThatMakeNoImage) {
  const auto make = [](const ConvShape& s) {
    return error_of([&] { Conv<TypeParam>(Stream::cpu(1), s, ConvPasses::All); });
  };
  EXPECT_EQ(make({0, 8, 8, 3, 4, 3, 1, 1}),
            "[conv] x: found shape [0, 8, 8, 3], expected sizes of 1 or more");
  EXPECT_EQ(make({1, 8, 8, 3, 0, 3, 1, 1}),
            "[conv] w: found shape [0, 3, 3, 3], expected sizes of 1 or more");
  EXPECT_EQ(make({1, 8, 8, 3, 4, 3, 0, 1}), "[conv] stride: found 0, expected 1 or more");
  EXPECT_EQ(make({1, 8, 8, 3, 4, 3, 1, -1}), "[conv] padding: found -1, expected 0 or more");
  EXPECT_EQ(make({1, 8, 2, 3, 4, 5, 1, 1}),
            "[conv] kernel: found 5, expected at most the padded image's side: 8 x 2 with padding "
            "1");
}

TYPED_TEST(ConvTest, RefusesPassesThatItWasNotMadeFor) {
  const Stream stream = Stream::cpu(1);
  const Conv<TypeParam> conv(stream, {1, 4, 4, 1, 1, 1, 1, 0}, ConvPasses::Forward);
  EXPECT_EQ(error_of([&] {
              conv.backward_data(stream, nullptr, nullptr, nullptr, nullptr, Write::Overwrite,
                                 nullptr);
            }),
            "[conv] backward_data: found a convolution made without it, expected ConvPasses::All");
  EXPECT_EQ(error_of([&] {
              conv.backward_filter(stream, nullptr, nullptr, nullptr, Write::Overwrite, nullptr);
            }),
            "[conv] backward_filter: found a convolution made without it, expected "
            "ConvPasses::ForwardAndFilter or All");
  EXPECT_EQ(error_of([&] { conv.unpack_gradient(stream, nullptr, nullptr, Write::Overwrite); }),
            "[conv] unpack_gradient: found a gradient in w's own layout, expected a packed one");
}

TEST(ConvBodies, DoWhatTheLoopsDo) {
  for (const ConvShape& s : {ConvShape{2, 7, 5, 3, 4, 3, 2, 1}, {1, 4, 4, 2, 3, 1, 1, 2}}) {
    const ConvCase<double> c(s);
    const double taps = s.kernel * s.kernel, positions = s.n * s.h_out() * s.w_out();
    for (const int threads : {1, 32}) {
      const Guarded<double> x(c.x), dy(c.dy), w(c.w);
      Guarded<double> y(s.output_size()), dx(s.input_size()), dw(s.weight_size());
      run_blocks<ConvForwardBody<double>>(2, threads, s, x.data(), w.data(), y.data());
      EXPECT_TRUE(agrees<double>(y.span(), c.y, 1, taps * s.c_in));
      for (const int times : {1, 2}) {
        const Write mode = times == 1 ? Write::Overwrite : Write::Accumulate;
        run_blocks<ConvBackwardDataBody<double>>(2, threads, s, dy.data(), w.data(), dx.data(),
                                                 mode);
        run_blocks<ConvBackwardFilterBody<double>>(2, threads, s, x.data(), dy.data(), dw.data(),
                                                   mode);
        EXPECT_TRUE(agrees<double>(dx.span(), c.dx, times, taps * s.c_out));
        EXPECT_TRUE(agrees<double>(dw.span(), c.dw, times, positions));
      }
      EXPECT_TRUE(y.intact() && dx.intact() && dw.intact());
    }
  }
}

TEST(ConvThreads, AreTheConstructors) {
  const ConvCase<float> c({1, 4, 4, 16, 16, 3, 1, 1});
  const Conv<float> conv(Stream::cpu(1), c.shape, ConvPasses::Forward);
  auto packed = Roomy<float>::of_bytes(Stream::cpu(1), conv.packed_bytes());
  EXPECT_EQ(error_of([&] { conv.pack(Stream::cpu(2), c.w.data(), packed.data()); }),
            "weight layout of conv 3x3 stride 1 padding 1, x [1, 4, 4, 16] -> y [1, 4, 4, 16]: "
            "found a stream of 2 threads, expected the 1 that it was made for");
}

TEST(ConvCost, CountsEachOperandOnce) {
  const Cost cost = conv_cost<float>({2, 8, 8, 3, 5, 3, 2, 1});
  EXPECT_EQ(cost.bytes_read, 4 * (2 * 8 * 8 * 3 + 5 * 3 * 3 * 3));
  EXPECT_EQ(cost.bytes_written, 4 * 2 * 4 * 4 * 5);
  EXPECT_EQ(cost.flops, 2 * (2 * 4 * 4 * 5) * (3 * 3 * 3));
}

}  // namespace
}  // namespace basin::test
