// What a measurement was made on, and with.
#pragma once

#include <string>

namespace basin {

std::string library_versions();  // of the libraries that this build uses
std::string processor();         // the CPU's name

}  // namespace basin
