// What a test or the environment asks of the emulated device.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/random.h"

namespace basin::emulated {

struct Settings {
  uint64_t seed = 1;                   // BASIN_EMULATED_SEED: of every order below
  int64_t memory = int64_t{1} << 32;   // BASIN_EMULATED_MEMORY: bytes that can be allocated
  std::string fail_call;               // BASIN_EMULATED_FAIL=[CALL:]N: the N-th runtime call,
  int64_t fail_at = 0;                 //   or the N-th call of that function, fails; 0: none
  int64_t fault_at = 0;                // BASIN_EMULATED_FAULT: the N-th kernel to run faults
  static Settings from_environment();  // throws Error(Usage) that names the variable
};

// The seeded choices of one device.
class Order {
 public:
  explicit Order(uint64_t seed) : seed_(seed) {}
  // Of [0, n): a choice is made at every step of every thread, so a number serves four, and the
  // multiples of 2^32 / n are not evened out.
  uint32_t below(uint32_t n) {
    if (left_ == 0) {
      numbers_ = philox_at(seed_, Purpose::Test, 0, index_++);
      left_ = 4;
    }
    return static_cast<uint32_t>(uint64_t{numbers_.value[--left_]} * n >> 32);
  }

 private:
  uint64_t seed_, index_ = 0;
  Philox4 numbers_{};
  int left_ = 0;
};

}  // namespace basin::emulated
