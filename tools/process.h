// Other programs, started and waited for.
#pragma once

#include <string>
#include <vector>

namespace basin {

// The folder of the Python programs: BASIN_TOOLS, where a build was carried elsewhere, or the one
// that it was built from.
std::string tools_folder();

// What execv() takes: pointers into `words`, and a null behind them.
std::vector<char*> argv_of(std::vector<std::string>& words);

// Runs words[0], searched in PATH, with its output thrown away; whether it ended with exit code 0.
bool run_silently(std::vector<std::string> words);

}  // namespace basin
