// What tests/support/json.h declares: a parser takes long to compile.
#include "tests/support/json.h"

#include <sstream>

#include "tests/support/files.h"

namespace basin::test {

nlohmann::json json_of(const std::string& path) {
  return nlohmann::json::parse(bytes_of(path));
}

std::vector<nlohmann::json> json_lines_of(const std::string& path) {
  std::vector<nlohmann::json> rows;
  std::istringstream text(bytes_of(path));
  for (std::string line; std::getline(text, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

}  // namespace basin::test
