// PyTorch's CPU generator: numbers that PyTorch itself gave (torch.manual_seed, then the calls
// named).
#include "engine/data/torch_random.h"

#include <gtest/gtest.h>

namespace basin::test {
namespace {

TEST(TorchRandom, Uniforms) {
  TorchRandom random(0);  // torch.rand(5)
  for (const double expected : {0.49625658988952637, 0.7682217955589294, 0.08847743272781372,
                                0.13203048706054688, 0.30742281675338745}) {
    EXPECT_EQ(random.uniform(), expected);
  }
  TorchRandom wide((uint64_t{1} << 32) + 7), narrow(7);  // its lower 32 bits
  EXPECT_EQ(wide.uniform(), narrow.uniform());
}

TEST(TorchRandom, NormalsOfABlock) {
  const std::vector<float> found = TorchRandom(0).normals(16);  // torch.randn(4, 4)
  const std::vector<double> expected{-1.1258, -1.1524, -0.2506, -0.4339, 0.8487, 0.6920,
                                     -0.3160, -2.1152, 0.3223,  -1.2633, 0.3500, 0.3081,
                                     0.1198,  1.2377,  1.1168,  -0.2473};
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 5.1e-5) << i;
}

// A last block that is not whole overlaps the one before, and takes sixteen uniforms of its own.
TEST(TorchRandom, TheLastBlockIsDrawnAnew) {
  for (const int64_t n : {17, 31, 33, 100}) {
    TorchRandom random(5), plain(5);
    const std::vector<float> found = random.normals(n);
    ASSERT_EQ(static_cast<int64_t>(found.size()), n);
    for (int64_t i = 0; i < n; ++i) plain.uniform();
    const std::vector<float> last = plain.normals(16);
    EXPECT_EQ(std::vector<float>(found.end() - 16, found.end()), last) << n;
    const std::vector<float> whole = TorchRandom(5).normals(n / 16 * 16);
    for (int64_t i = 0; i < n - 16; ++i) EXPECT_EQ(found[i], whole[i]) << n << " " << i;
    EXPECT_EQ(random.uniform(), plain.uniform());
  }
}

}  // namespace
}  // namespace basin::test
