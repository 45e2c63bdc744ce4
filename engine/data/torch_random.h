// The random numbers of PyTorch's CPU generator (torch.manual_seed and its functions), in float32:
// MT19937, 24-bit uniforms, Gaussians by Box and Muller in blocks of 16.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace basin {

class TorchRandom {
 public:
  // torch.manual_seed(seed); the generator takes its lower 32 bits.
  explicit TorchRandom(uint64_t seed) : bits_(static_cast<uint32_t>(seed)) {}

  // [0, 1): an element of torch.rand().
  float uniform();
  // torch.randn(n), n >= kLeastNormals (fewer are drawn in another way there). PyTorch's vectorised
  // logarithm and cosine are off by a few units in the last place, and so is this from it.
  std::vector<float> normals(int64_t n);
  static constexpr int64_t kLeastNormals = 16;

 private:
  std::mt19937 bits_;
};

}  // namespace basin
