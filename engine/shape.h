// The extents of a tensor: at most four dimensions, contiguous, the last one fastest.
#pragma once

#include <fmt/core.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "kernels/error.h"

namespace basin {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;  // a scalar: rank 0, one element
  Shape(std::initializer_list<int64_t> dims) {
    BASIN_CHECK(dims.size() <= kMaxRank, "shape", "found {} dimensions, expected at most 4",
                dims.size());
    for (const int64_t extent : dims) {
      BASIN_CHECK(extent > 0, "shape", "found an extent of {}, expected at least 1", extent);
      dims_[rank_++] = extent;
    }
  }

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return dims_[i < 0 ? rank_ + i : i]; }
  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }
  bool operator==(const Shape&) const = default;

  std::string text() const;  // "[2,3]"

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace basin

template <>
struct fmt::formatter<basin::Shape> : fmt::formatter<std::string> {
  fmt::format_context::iterator format(const basin::Shape& shape,
                                       fmt::format_context& context) const;
};
