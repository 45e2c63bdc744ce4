#include "engine/data/numpy_random.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

namespace basin {

double NumpyRandom::uniform() {
  const auto high = static_cast<double>(bits_() >> 5), low = static_cast<double>(bits_() >> 6);
  return (high * 67108864.0 + low) / 9007199254740992.0;  // 2^26, 2^53
}

double NumpyRandom::normal() {
  if (has_kept_) {
    has_kept_ = false;
    return kept_;
  }
  double a = 0, b = 0, square = 0;
  do {
    a = 2.0 * uniform() - 1.0;
    b = 2.0 * uniform() - 1.0;
    square = a * a + b * b;
  } while (square >= 1.0 || square == 0.0);
  const double factor = std::sqrt(-2.0 * std::log(square) / square);
  kept_ = factor * a;
  has_kept_ = true;
  return factor * b;
}

uint32_t NumpyRandom::below(uint32_t bound) {
  const uint32_t most = bound - 1;
  if (most == 0) return 0;  // no bits are taken
  const uint32_t mask = ~uint32_t{0} >> std::countl_zero(most);
  uint32_t value = 0;
  do {
    value = static_cast<uint32_t>(bits_()) & mask;
  } while (value > most);
  return value;
}

std::vector<int64_t> NumpyRandom::permutation(int64_t n) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = n - 1; i > 0; --i) {
    std::swap(order[i], order[below(static_cast<uint32_t>(i + 1))]);
  }
  return order;
}

}  // namespace basin
