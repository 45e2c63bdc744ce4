// What kernels on groups launch, which does not depend on how many groups there are.
#include <gtest/gtest.h>

#include "kernels/emulated/device.h"
#include "kernels/gemm.h"
#include "kernels/reduce.h"
#include "kernels/sam_groups.h"
#include "tests/support/device.h"

namespace basin::test {
namespace {

using emulated::Counts;

// What run(count) puts on the stream.
template <class Run>
Counts put_by(int64_t count, const Run& run) {
  const Counts before = emulated::counts();
  run(count);
  return emulated::counts() - before;
}
template <class Run>
void expect_launches(int64_t kernels, const Run& run) {
  for (const int64_t count : {1, 2, 9, 64}) {
    EXPECT_EQ(put_by(count, run), Counts{.kernels = kernels}) << count << " groups";
  }
}

TEST(GroupLaunches, NormsAreTwoAndTheAscentIsOne) {
  const Stream stream = Stream::cuda(0);
  const int64_t n = 100;
  const Placed<float> w(stream, std::vector<float>(n, 1)), g(stream, std::vector<float>(64 * n, 2));
  const Placed<double> rho(stream, std::vector<double>{0.5});
  Placed<float> points(stream, 64 * n);
  Placed<double> norms(stream, 64), partials(stream, 64);
  expect_launches(2, [&](int64_t count) {
    squared_norms(stream, {count, n}, n, g.data(), partials.data(), norms.data());
  });
  expect_launches(1, [&](int64_t count) {
    sam_ascent_groups(stream, {count, n}, n, w.data(), g.data(), norms.data(), rho.data(),
                      Normalise::Yes, points.data());
  });
  stream.synchronize();
}

TEST(GroupLaunches, ABatchOfProductsIsOneCall) {
  const Stream stream = Stream::cuda(0);
  const Placed<float> a(stream, std::vector<float>(64 * 6, 1)), b(stream, a.values());
  Placed<float> c(stream, 64 * 4);
  for (const int64_t count : {1, 2, 9, 64}) {
    const Gemm<float> gemm(stream, {2, 2, 3}, {count, 6, 6, 4});
    const Counts before = emulated::counts();
    gemm.run(stream, a.data(), b.data(), c.data(), Write::Overwrite, nullptr);
    EXPECT_EQ(emulated::counts() - before, Counts{.others = 1}) << count << " products";
  }
  stream.synchronize();
}

}  // namespace
}  // namespace basin::test
