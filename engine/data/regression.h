// Linear regression from a file: a design matrix and its targets.
//
// CSV: a line an example, its d features and then its target, all numbers (as strtod reads them,
// and finite), separated by commas; every line has as many. Spaces around a number, empty lines and
// lines that begin with # do not matter.
// .npy: an array [n, d + 1] of float32, float64, int32 or int64; the last column is the target.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace basin {

struct Regression {
  int64_t n = 0, d = 0;
  std::vector<double> x, y;  // [n, d], [n]
};

// A file that cannot be read, or is none of the above, is an Error(Usage): file, line (of an array
// its row) and column, what was found and what was expected.
Regression read_regression(const std::string& path);

}  // namespace basin
