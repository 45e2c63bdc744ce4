// The random numbers of NumPy's legacy generator (numpy.random.seed and its functions), bit for bit
// but for the last place of a logarithm: MT19937, 53-bit uniforms, polar Gaussians.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace basin {

class NumpyRandom {
 public:
  // numpy.random.seed(seed); std::mt19937 has the same initialiser.
  explicit NumpyRandom(uint32_t seed) : bits_(seed) {}

  // [0, 1): random_sample().
  double uniform();
  // N(0, 1) by Marsaglia's polar method, which makes two and keeps one: standard_normal(), randn().
  double normal();
  // 0 to bound - 1, bound >= 1: randint(bound). The bits that it takes are masked, and drawn again
  // while they exceed.
  uint32_t below(uint32_t bound);
  // 0 to n - 1 shuffled, n < 2^32: permutation(n).
  std::vector<int64_t> permutation(int64_t n);

 private:
  std::mt19937 bits_;
  bool has_kept_ = false;
  double kept_ = 0;
};

}  // namespace basin
