// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3"). A number is a function of (seed, purpose, index), so initialisation,
// shuffling, augmentation and label noise are the same on every device and thread count.
#pragma once

#include <cstdint>

#include "kernels/platform.h"

namespace basin {

struct Philox4 {
  uint32_t value[4];
};

// Ten rounds of Philox4x32 on a counter under a key.
BASIN_HD Philox4 philox(const uint32_t (&counter)[4], const uint32_t (&key)[2]);

// What a number is for: streams of different purposes never meet.
enum class Purpose : uint32_t { Initialise = 1, Shuffle, Augment, LabelNoise, Data, Perturb, Test };

// The four numbers at `index` of the stream (seed, purpose, lane).
BASIN_HD Philox4 philox_at(uint64_t seed, Purpose purpose, uint32_t lane, uint64_t index);

}  // namespace basin
