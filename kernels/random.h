// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3"). A number is a function of (seed, purpose, lane, index), so initialisation,
// shuffling, augmentation and label noise are the same on every device and thread count.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/platform.h"

namespace basin {

struct Philox4 {
  uint32_t value[4];
};

// Ten rounds of Philox4x32 on a counter under a key.
BASIN_HD Philox4 philox(const uint32_t (&counter)[4], const uint32_t (&key)[2]) {
  uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
  uint32_t k[2] = {key[0], key[1]};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0], b = uint64_t{0xCD9E8D57u} * c[2];
    const uint32_t next[4] = {
        static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
        static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
    for (int i = 0; i < 4; ++i) c[i] = next[i];
    k[0] += 0x9E3779B9u;  // the golden ratio and sqrt(3) - 1, as Weyl sequences
    k[1] += 0xBB67AE85u;
  }
  return {{c[0], c[1], c[2], c[3]}};
}

// What a number is for: streams of different purposes never meet.
enum class Purpose : uint32_t {
  Initialise = 1,
  Shuffle,
  Augment,
  LabelNoise,
  Data,
  Perturb,
  Test,
  Direction
};

// The four numbers at `index` of the stream (seed, purpose, lane).
BASIN_HD Philox4 philox_at(uint64_t seed, Purpose purpose, uint32_t lane, uint64_t index) {
  const uint32_t counter[4] = {static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                               lane, static_cast<uint32_t>(purpose)};
  const uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  return philox(counter, key);
}

// [0, 1) with 53 random bits, from the first two numbers.
BASIN_HD double uniform(const Philox4& bits) {
  const uint64_t high = bits.value[0] >> 5, low = bits.value[1] >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

// cos(2 pi turns). A device's cos takes any argument, and a stack to reduce it; its cospi does not.
BASIN_HD double cos_of_turns(double turns) {
#ifdef __CUDA_ARCH__
  return cospi(2.0 * turns);
#else
  return std::cos(6.283185307179586476925 * turns);
#endif
}

// N(0, 1) by Box and Muller, in float64, from all four numbers.
BASIN_HD double normal(const Philox4& bits) {
  const double u = 1.0 - uniform(bits);  // (0, 1]: its logarithm is finite
  const double v = uniform({{bits.value[2], bits.value[3], 0, 0}});
  return std::sqrt(-2.0 * std::log(u)) * cos_of_turns(v);
}

// Uniform in [0, bound): the high word of bits * bound, with 64 bits from the first two numbers. No
// value is likelier than another by more than one part in 2^64 / bound: no rejection is needed.
BASIN_HD uint32_t bounded(const Philox4& bits, uint32_t bound) {
  const uint64_t wide = (uint64_t{bits.value[0]} << 32) | bits.value[1];
  const uint64_t high = (wide >> 32) * bound, low = ((wide & 0xFFFFFFFFu) * bound) >> 32;
  return static_cast<uint32_t>((high + low) >> 32);
}

}  // namespace basin
