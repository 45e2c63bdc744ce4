// What a step of a diagonal network does to one coordinate, for a scalar of either backend or a
// vector of a CPU's lanes (V), and the terms of its log.
#pragma once

#include <cmath>

#include "kernels/block.h"
#include "kernels/diagonal.h"
#include "kernels/random.h"

namespace basin {

// The example of SGD's iteration i.
BASIN_HD int64_t example_of(const DiagonalSchedule& s, const DiagonalTrajectory& one, int64_t n,
                            int64_t i) {
  if (s.draws != nullptr) return s.draws[one.problem * s.draw_stride + i - s.first];
  const auto index = static_cast<uint64_t>(i);
  return bounded(philox_at(one.seed, Purpose::Shuffle, 0, index), static_cast<uint32_t>(n));
}

// u -= gamma gu + decay u + balance (u if |u| > |v|, else -u), and v likewise; both from the old
// values. On a tie both grow.
template <class V>
BASIN_HD void descend_shrinking(V& u, V& v, const V& gu, const V& gv, const V& gamma,
                                const V& decay, const V& balance) {
  const V size_u = u < V{} ? -u : u, size_v = v < V{} ? -v : v;
  const V grown_u = balance * (size_u > size_v ? u : -u);
  const V grown_v = balance * (size_v > size_u ? v : -v);
  u = u - gamma * gu - decay * u - grown_u;
  v = v - gamma * gv - decay * v - grown_v;
}

// 1-SAM: A and B move u and v along A o v + B o u and A o u + B o v.
template <class V>
BASIN_HD void descend_per_example(V& u, V& v, const V& a, const V& b, const V& gamma) {
  const V gu = a * v + b * u, gv = a * u + b * v;
  u -= gamma * gu;
  v -= gamma * gv;
}

// moved = r'_k, from r_k, squares = <x_k^2, u^2 + v^2> and cubes = <x_k^3, u o v>.
template <class V>
BASIN_HD void perturb_residual(const V& r, const V& squares, const V& cubes, const V& radius,
                               V& moved) {
  const V s = radius * r;
  moved = r + s * (squares + s * cubes);
}

// a^2 q(beta / a^2) with q(z) = 2 - sqrt(4 + z^2) + z asinh(z / 2), and without its cancellation at
// small z. Gradient flow from w+ = w- = a, beta = w+^2 - w-^2, ends at the least sum of it over the
// interpolating beta (Woodworth et al. 2020).
BASIN_HD double potential_term(double beta, double a) {
  const double z = beta / (a * a);
  return a * a * (z * std::asinh(z / 2) - z * z / (2 + std::sqrt(4 + z * z)));
}

// What one coordinate adds to a row: theta is its own, or beta where there is none.
struct CoordinateTerms {
  double l1, error, scale, difference, potential;
};
BASIN_HD CoordinateTerms coordinate_terms(double u, double v, double theta, double alpha) {
  const double beta = u * v, difference = std::abs((u - v) * (u + v));
  return {std::abs(beta), (beta - theta) * (beta - theta), std::sqrt(difference), difference,
          potential_term(beta, alpha / 2)};
}

}  // namespace basin
