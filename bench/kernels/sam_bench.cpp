// The ascent of SAM over a whole arena: 12 bytes a parameter, and the K-step variant's passes.
#include "kernels/sam.h"

#include "bench/kernels/rates.h"

namespace basin::bench {
namespace {

const double kSquaredNorm = 4.0, kRho = 0.05;

void sam_ascent(benchmark::State& state) {
  run_map(state, SamAscent<float>{&kSquaredNorm, &kRho, Normalise::Yes});
}
void epsilon_step(benchmark::State& state) {
  run_map(state, EpsilonStep<float>{&kSquaredNorm, &kRho, Normalise::Yes, 0.5});
}
void projected_point(benchmark::State& state) {
  run_map(state, ProjectedPoint<float>{&kSquaredNorm, &kRho});
}

BENCHMARK(sam_ascent)->Apply(sizes);
BENCHMARK(epsilon_step)->Apply(sizes);
BENCHMARK(projected_point)->Apply(sizes);

}  // namespace
}  // namespace basin::bench
