// The element driver, on functors of the test's own: every element once, none behind the end, in
// place, unaligned, for any thread count; and the text of the CUDA body with one-thread blocks.
#include "kernels/map.h"

#include <gtest/gtest.h>

#include "kernels/map.cuh"
#include "kernels/map_cpu.h"
#include "tests/support/block.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"

namespace basin::test {
namespace {

// a, b -> factor a + b, a - b, with a factor in "device memory".
template <class T>
struct TwoOutputs {
  static constexpr int reads = 2, writes = 2, flops = 3;
  struct Bound {
    static constexpr int reads = 2, writes = 2, flops = 3;
    T factor;
    void operator()(const T (&in)[2], T (&out)[2]) const {
      out[0] = factor * in[0] + in[1];
      out[1] = in[0] - in[1];
    }
  };
  const double* factor;
  Bound load() const { return {static_cast<T>(*factor)}; }
};

template <class T>
struct Constant {
  static constexpr int reads = 0, writes = 1, flops = 0;
  T value;
  void operator()(T (&out)[1]) const { out[0] = value; }
};

template <class T>
class MapTest : public testing::Test {
 protected:
  // Inputs a and b, and what TwoOutputs makes of them.
  void make(int64_t n) {
    a = random_values<T>(n, 1);
    b = random_values<T>(n, 2);
    expected[0].clear();
    expected[1].clear();
    for (int64_t i = 0; i < n; ++i) {
      expected[0].push_back(factor * a[i] + double{b[i]});
      expected[1].push_back(double{a[i]} - double{b[i]});
    }
  }
  double factor = 1.5;
  std::vector<T> a, b;
  std::vector<double> expected[2];
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(MapTest, Scalars);

TYPED_TEST(MapTest, EveryElementOnceAndNothingElse) {
  using T = TypeParam;
  std::vector<int64_t> sizes = kOddSizes;
  sizes.push_back(100'003);  // enough for several threads
  for (const int64_t n : sizes) {
    this->make(n);
    std::vector<T> first;
    for (const int threads : {1, 2, 3}) {
      for (const int64_t offset : {0, 1}) {
        Guarded<T> a(this->a, offset), b(this->b), x(n, offset), y(n);
        cpu::map<T>(Stream::cpu(threads), TwoOutputs<T>{&this->factor}, n, {a.data(), b.data()},
                    {x.data(), y.data()});
        EXPECT_TRUE(all_close(x.span(), this->expected[0], 2, 4.0)) << n;
        EXPECT_TRUE(all_close(y.span(), this->expected[1], 2, 4.0)) << n;
        EXPECT_TRUE(a.intact() && b.intact() && x.intact() && y.intact()) << n;
        EXPECT_TRUE(same_bytes(a.values(), this->a) && same_bytes(b.values(), this->b));
        if (first.empty()) first = x.values();
        EXPECT_TRUE(same_bytes(x.values(), first)) << n << ", " << threads << " threads";
      }
    }
  }
}

TYPED_TEST(MapTest, InPlace) {
  using T = TypeParam;
  const int64_t n = 1001;
  this->make(n);
  Guarded<T> a(this->a), b(this->b);
  cpu::map<T>(Stream::cpu(1), TwoOutputs<T>{&this->factor}, n, {a.data(), b.data()},
              {a.data(), b.data()});
  EXPECT_TRUE(all_close(a.span(), this->expected[0], 2, 4.0));
  EXPECT_TRUE(all_close(b.span(), this->expected[1], 2, 4.0));
  EXPECT_TRUE(a.intact() && b.intact());
}

TYPED_TEST(MapTest, AccumulatedAddsToWhatIsThereAndLoadsOnce) {
  using T = TypeParam;
  const int64_t n = 1001;
  this->make(n);
  const std::vector<T> x0 = random_values<T>(n, 3), y0 = random_values<T>(n, 4);
  for (int64_t i = 0; i < n; ++i) {
    this->expected[0][i] += x0[i];
    this->expected[1][i] += y0[i];
  }
  using F = Accumulated<T, TwoOutputs<T>>;
  static_assert(HasLoad<F> && F::reads == 4 && F::writes == 2 && F::flops == 5);
  Guarded<T> a(this->a), b(this->b), x(x0), y(y0);
  const F functor{TwoOutputs<T>{&this->factor}};
  cpu::map<T>(Stream::cpu(2), functor, n, {a.data(), b.data(), x.data(), y.data()},
              {x.data(), y.data()});
  EXPECT_TRUE(all_close(x.span(), this->expected[0], 3, 4.0));
  EXPECT_TRUE(all_close(y.span(), this->expected[1], 3, 4.0));
  EXPECT_TRUE(x.intact() && y.intact());
}

TYPED_TEST(MapTest, AFunctorMayReadNothing) {
  using T = TypeParam;
  Guarded<T> x(37);
  cpu::map<T>(Stream::cpu(1), Constant<T>{T(2)}, 37, {}, {x.data()});
  cpu::map<T>(Stream::cpu(1), Accumulated<T, Constant<T>>{{T(3)}}, 37, {x.data()}, {x.data()});
  EXPECT_EQ(x.values(), std::vector<T>(37, T(5)));
  EXPECT_TRUE(x.intact());
}

TYPED_TEST(MapTest, TheBodyOfTheOtherBackendDoesTheSame) {
  using T = TypeParam;
  for (const int64_t n : kOddSizes) {
    this->make(n);
    for (const int64_t offset : {0, 1}) {
      Guarded<T> a(this->a), b(this->b, offset), x(n), y(n, offset);
      const Access access = access_of(a.data(), b.data(), x.data(), y.data());
      EXPECT_EQ(access, offset == 0 ? Access::Packed : Access::Single);
      using Body = MapBody<T, TwoOutputs<T>>;
      run_blocks<Body>(3, 1, TwoOutputs<T>{&this->factor}, n, access,
                       typename Body::In{{a.data(), b.data()}},
                       typename Body::Out{{x.data(), y.data()}});
      EXPECT_TRUE(all_close(x.span(), this->expected[0], 2, 4.0)) << n;
      EXPECT_TRUE(all_close(y.span(), this->expected[1], 2, 4.0)) << n;
      EXPECT_TRUE(x.intact() && y.intact()) << n;
    }
  }
}

}  // namespace
}  // namespace basin::test
