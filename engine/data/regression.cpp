#include "engine/data/regression.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string_view>

#include "engine/checkpoint.h"
#include "engine/io/file.h"
#include "engine/io/npy.h"
#include "kernels/error.h"

namespace basin {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// A number of a line of the file; `column` counts from 1.
double number(const std::string& path, int64_t line, size_t column, std::string_view field) {
  double value = NAN;
  const char* end = field.data() + field.size();
  const char* begin = field.starts_with('+') ? field.data() + 1 : field.data();
  const auto [stop, status] = std::from_chars(begin, end, value);
  BASIN_CHECK(status == std::errc() && stop == end && std::isfinite(value),
              fmt::format("{}:{}", path, line), "found '{}' in column {}, expected a finite number",
              field.substr(0, 40), column);
  return value;
}

std::vector<double> numbers(const std::string& path, int64_t line, std::string_view text) {
  std::vector<double> values;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    values.push_back(
        number(path, line, values.size() + 1, trimmed(text.substr(begin, comma - begin))));
    begin = comma + 1;
  }
  return values;
}

void add(Regression& r, std::vector<double>&& row) {
  r.y.push_back(row.back());
  r.x.insert(r.x.end(), row.begin(), row.end() - 1);
  ++r.n;
}

Regression from_csv(const std::string& path) {
  const std::string text = read_text_file(path);
  Regression r;
  int64_t line = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view row = trimmed(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    ++line;
    if (row.empty() || row.front() == '#') continue;
    std::vector<double> values = numbers(path, line, row);
    const auto columns = static_cast<int64_t>(values.size());
    const std::string where = fmt::format("{}:{}", path, line);
    BASIN_CHECK(columns >= 2, where, "found 1 number, expected features and a target");
    if (r.n == 0) r.d = columns - 1;
    BASIN_CHECK(columns == r.d + 1, where,
                "found {} numbers, expected {}, as in the lines before ({} features, a target)",
                columns, r.d + 1, r.d);
    add(r, std::move(values));
  }
  BASIN_CHECK(r.n > 0, path, "found no line of numbers, expected an example a line");
  return r;
}

Regression from_npy(const std::string& path) {
  const HostTensor array = read_npy(path);
  BASIN_CHECK(array.dtype != DType::UInt8 && array.dtype != DType::BFloat16, path,
              "found {}, expected float32, float64, int32 or int64", dtype_name(array.dtype));
  BASIN_CHECK(array.shape.size() == 2 && array.shape[0] >= 1 && array.shape[1] >= 2, path,
              "found shape [{}], expected [examples, features + 1]", fmt::join(array.shape, ","));
  const std::vector<double> values = host_values(array);
  Regression r;
  r.d = array.shape[1] - 1;
  for (int64_t k = 0; k < array.shape[0]; ++k) {
    const auto begin = values.begin() + k * (r.d + 1);
    for (int64_t j = 0; j <= r.d; ++j) {
      BASIN_CHECK(std::isfinite(begin[j]), fmt::format("{}: row {}", path, k + 1),
                  "found {} in column {}, expected a finite number", begin[j], j + 1);
    }
    add(r, {begin, begin + r.d + 1});
  }
  return r;
}

}  // namespace

Regression read_regression(const std::string& path) {
  return path.ends_with(".npy") ? from_npy(path) : from_csv(path);
}

}  // namespace basin
