#include "engine/data/torch_random.h"

#include <cmath>
#include <numbers>

namespace basin {
namespace {

constexpr int64_t kBlock = 16, kHalf = kBlock / 2;

// Uniforms u_j and u_{j+8} become a pair of Gaussians. Rounded where PyTorch rounds.
void transform(float* block) {
  for (int64_t j = 0; j < kHalf; ++j) {
    const auto log = static_cast<float>(std::log(1.0 - block[j]));
    const float radius = std::sqrt(-2.0F * log);
    const double turn = 2.0F * std::numbers::pi_v<float> * block[j + kHalf];
    block[j] = radius * static_cast<float>(std::cos(turn));
    block[j + kHalf] = radius * static_cast<float>(std::sin(turn));
  }
}

}  // namespace

float TorchRandom::uniform() {
  return static_cast<float>(bits_() & 0xFFFFFF) * 0x1p-24F;
}

std::vector<float> TorchRandom::normals(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = uniform();
  for (int64_t i = 0; i + kBlock <= n; i += kBlock) transform(values.data() + i);
  if (n % kBlock != 0) {  // the last block overlaps the one before, and is drawn anew
    float* last = values.data() + n - kBlock;
    for (int64_t j = 0; j < kBlock; ++j) last[j] = uniform();
    transform(last);
  }
  return values;
}

}  // namespace basin
