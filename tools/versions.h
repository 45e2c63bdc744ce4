// What a measurement was made on, and with.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace basin {

std::string library_versions();  // of the libraries that this build uses
std::string processor();         // the CPU's name
// Both, with the date, the instruction set, and how it was run: for a file of results.
nlohmann::ordered_json measurement_context(int threads, int64_t chunk, const std::string& command);

}  // namespace basin
