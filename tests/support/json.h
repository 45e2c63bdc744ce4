// The JSON that a run has written.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace basin::test {

nlohmann::json json_of(const std::string& path);

// Of each line of the file.
std::vector<nlohmann::json> json_lines_of(const std::string& path);

}  // namespace basin::test
