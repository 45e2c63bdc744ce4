// Arrays of several groups, one stride apart, with poison between them: a kernel that reads there
// gives NaN, and what it writes there is seen.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/parameter_groups.h"
#include "tests/support/poison.h"

namespace basin::test {

// The elements from the first group's first to the last group's last, of n each.
inline int64_t extent_of(ParameterGroups groups, int64_t n) {
  return (groups.count - 1) * groups.stride + n;
}

// values: [count, n], a stride apart.
template <class T>
std::vector<T> spread(const std::vector<T>& values, ParameterGroups groups, int64_t n) {
  std::vector<T> all(extent_of(groups, n), poison<T>());
  for (int64_t g = 0; g < groups.count; ++g) {
    std::copy_n(values.begin() + g * n, n, all.begin() + g * groups.stride);
  }
  return all;
}

// The values of one group.
template <class T>
std::vector<T> group_of(std::span<const T> all, ParameterGroups groups, int64_t n, int64_t group) {
  const auto from = all.begin() + group * groups.stride;
  return {from, from + n};
}

// [count, n] of what spread() lays out.
template <class T>
std::vector<T> gathered(std::span<const T> all, ParameterGroups groups, int64_t n) {
  std::vector<T> values;
  for (int64_t g = 0; g < groups.count; ++g) {
    const auto one = group_of(all, groups, n, g);
    values.insert(values.end(), one.begin(), one.end());
  }
  return values;
}

// Whether everything between the groups is poison still.
template <class T>
bool gaps_intact(std::span<const T> all, ParameterGroups groups, int64_t n) {
  const T unwritten = poison<T>();
  for (int64_t i = 0; i < static_cast<int64_t>(all.size()); ++i) {
    const bool in_gap = groups.count > 1 && i % groups.stride >= n;
    if (in_gap && std::memcmp(&all[i], &unwritten, sizeof(T)) != 0) return false;
  }
  return true;
}

}  // namespace basin::test
