// A TOML file, read whole.
#pragma once

#include <toml++/toml.h>

#include <string>

namespace basin {

// Error(Usage) with file, line and column where it is not TOML.
toml::table read_toml(const std::string& path);

}  // namespace basin
