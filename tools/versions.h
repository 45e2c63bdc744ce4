// What a measurement was made on, and with.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace basin {

std::string library_versions();  // of the libraries that this build uses
std::string processor();         // the CPU's name
// The context of a file of results: the above, threads, today's date, and the command.
nlohmann::ordered_json measurement_context(int threads, const std::string& command);

}  // namespace basin
