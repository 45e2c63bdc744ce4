// What each functor says that it reads, writes and computes is what it does, counted.
#include "kernels/cost.h"

#include <gtest/gtest.h>

#include "kernels/bias.h"
#include "kernels/elementwise.h"
#include "kernels/landscape.h"
#include "kernels/norm_act.h"
#include "kernels/reduce.h"
#include "kernels/sam.h"
#include "kernels/sgd.h"
#include "tests/support/counted.h"

namespace basin::test {

void PrintTo(const Counts& c, std::ostream* out) {
  *out << c.reads << " reads, " << c.writes << " writes, " << c.flops << " flops";
}

namespace {

using C = Counted;
const double kSquaredNorm = 4, kRho = 0.5, kLr = 0.1;

template <class F>
void expect_as_declared(const F& functor) {
  const auto bound = loaded(functor);
  using Bound = std::remove_const_t<decltype(bound)>;
  EXPECT_EQ(counted(bound), declared<F>());
  EXPECT_EQ(declared<Bound>(), declared<F>());
}

TEST(Cost, Elementwise) {
  const C value(2.0);
  expect_as_declared(Copy<C>{});
  expect_as_declared(Fill<C>{value});
  expect_as_declared(Add<C>{});
  expect_as_declared(Mul<C>{});
  expect_as_declared(Scale<C>{value});
  expect_as_declared(AddScaled<C>{value});
  expect_as_declared(Relu<C>::Forward{});
  expect_as_declared(Relu<C>::Backward{});
  expect_as_declared(Softplus<C>::Forward{value});
  expect_as_declared(Softplus<C>::Backward{value});
  // Bound to a scalar, these are Scale or Fill.
  expect_as_declared(ScaleBy<C>{&value, value});
  expect_as_declared(Broadcast<C>{&value, value});
  expect_as_declared(FromDouble<C>{&kRho, 1.0});
}

TEST(Cost, RunningStatistics) {
  expect_as_declared(RunningStatistics<C>{C(0.25), C(0.75)});
}

TEST(Cost, Accumulated) {
  EXPECT_EQ(counted(Accumulated<C, Copy<C>>{}), (Counts{2, 1, 1}));
  expect_as_declared(Accumulated<C, Copy<C>>{});
  expect_as_declared(Accumulated<C, Mul<C>>{});
  expect_as_declared(Accumulated<C, Fill<C>>{{C(1.0)}});
  expect_as_declared(Accumulated<C, ProjectedPoint<C>>{{&kSquaredNorm, &kRho}});
}

TEST(Cost, Sam) {
  expect_as_declared(SamAscent<C>{&kSquaredNorm, &kRho, Normalise::Yes});
  expect_as_declared(EpsilonStep<C>{&kSquaredNorm, &kRho, Normalise::Yes, 0.5});
  expect_as_declared(ProjectedPoint<C>{&kSquaredNorm, &kRho});
}

TEST(Cost, Landscape) {
  const C a(0.25), b(0.75);
  expect_as_declared(Combination<C>{a, b});
  expect_as_declared(PlanePoint<C>{a, b});
  expect_as_declared(AdaptiveGradient<C>{});
  expect_as_declared(AdaptivePoint<C>{&kSquaredNorm, &kRho});
}

TEST(Cost, Sgd) {
  const C momentum(0.9), decay(0.1);
  for (const Decay form : {Decay::L2, Decay::Decoupled}) {
    using F = MomentumDescent<C>;
    expect_as_declared(F{&kLr, momentum, decay, Nesterov::No, form});
    const Counts nesterov = counted(F{&kLr, momentum, decay, Nesterov::Yes, form}.load());
    EXPECT_EQ(nesterov, (Counts{F::reads, F::writes, F::nesterov_flops}));
  }
  expect_as_declared(PlainDescent<C>{&kLr, decay});
}

template <class Term>
int term_flops() {
  Counted::tally() = {};
  Term::add(Counted(1.0), Counted(2.0));
  return Counted::tally().flops;
}

TEST(Cost, ReductionsAndBias) {
  EXPECT_EQ(term_flops<SquareTerm>(), SquareTerm::flops);
  EXPECT_EQ(term_flops<PlainTerm>(), PlainTerm::flops);
  Counted::tally() = {};
  BiasAdd<C>::of(C(1.0), C(2.0));
  EXPECT_EQ(Counted::tally().flops, BiasAdd<C>::flops);
}

TEST(Cost, BytesFollowFromTheConstants) {
  constexpr Cost cost = element_cost<MomentumDescent<float>, float>(10);
  static_assert(cost.bytes_read == 120 && cost.bytes_written == 80 && cost.flops == 60);
  static_assert((cost + cost).bytes() == 400);
  static_assert(element_cost<SamAscent<double>, double>(1).bytes() == 24);
}

}  // namespace
}  // namespace basin::test
