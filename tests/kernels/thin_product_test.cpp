// Products with a narrow side against float64: sizes around the vector widths and the register
// blocks. The build runs this file at every vector width (tests/CMakeLists.txt).
#include "kernels/thin_product.h"

#include <gtest/gtest.h>

#include "tests/support/gemm_case.h"

namespace basin::test {
namespace {

template <class T>
class ThinProduct : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ThinProduct, Scalars);

template <class T>
void expect_thin(const GemmShape& s) {
  ASSERT_TRUE(thin_product_fits(s)) << to_string(s);
  const auto run = [&](const Stream& stream, const T* a, const T* b, T* c, Write mode) {
    thin_product(stream, s, a, b, c, mode);
  };
  expect_gemm<T>(s, {Stream::cpu(1), Stream::cpu(2)}, run);
}

// Long sides around one and two vectors of every width, and of a length that no width divides.
const std::vector<int64_t> kLong = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 300};

TYPED_TEST(ThinProduct, InnerProducts) {
  for (const int64_t k : kLong) {
    for (const int64_t n : {1, 2, 3, 5, 6, 7, 10, 11, 16, 17}) {
      for (const int64_t m : {1, 3, 4, 7, 8, 9}) {
        expect_thin<TypeParam>({m, n, k, Transpose::No, Transpose::Yes});
      }
    }
  }
}

TYPED_TEST(ThinProduct, OuterProducts) {
  for (const int64_t n : kLong) {
    for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 21}) {
      for (const int64_t k : {1, 3, 10, 16}) {
        for (const Transpose a : {Transpose::No, Transpose::Yes}) {
          expect_thin<TypeParam>({m, n, k, a, Transpose::No});
        }
      }
    }
  }
}

// Large enough for a second thread, whose share ends in the middle of a block; the same bytes.
TYPED_TEST(ThinProduct, SharedByThreads) {
  using T = TypeParam;
  for (const GemmShape& s : {GemmShape{127, 10, 517, Transpose::No, Transpose::Yes},
                             GemmShape{10, 517, 127, Transpose::Yes, Transpose::No},
                             GemmShape{127, 517, 10, Transpose::No, Transpose::No}}) {
    expect_thin<T>(s);
    const auto a = random_values<T>(s.m * s.k, 1), b = random_values<T>(s.k * s.n, 2);
    std::vector<T> one(s.m * s.n), three(s.m * s.n);
    thin_product(Stream::cpu(1), s, a.data(), b.data(), one.data(), Write::Overwrite);
    thin_product(Stream::cpu(3), s, a.data(), b.data(), three.data(), Write::Overwrite);
    EXPECT_TRUE(same_bytes(one, three)) << to_string(s);
  }
}

TEST(ThinProductShapes, TheProductsOfALayerOfFewOutputs) {
  const Transpose no = Transpose::No, yes = Transpose::Yes;
  for (const GemmShape& s : {GemmShape{128, 10, 3072, no, yes}, GemmShape{16, 16, 128, no, yes},
                             GemmShape{10, 3072, 128, yes, no}, GemmShape{128, 3072, 10, no, no}}) {
    EXPECT_TRUE(thin_product_is_faster(s)) << to_string(s);
    EXPECT_EQ(Gemm<float>(Stream::cpu(1), s).description(), "thin product");
  }
  for (const GemmShape& s : {GemmShape{128, 17, 3072, no, yes}, GemmShape{16, 16, 127, no, yes},
                             GemmShape{17, 3072, 128, yes, no}, GemmShape{128, 3072, 17, no, no},
                             GemmShape{10, 10, 128, yes, yes}}) {
    EXPECT_FALSE(thin_product_is_faster(s)) << to_string(s);
    EXPECT_NE(Gemm<float>(Stream::cpu(1), s).description(), "thin product");
  }
}

}  // namespace
}  // namespace basin::test
