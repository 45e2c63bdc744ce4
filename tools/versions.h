// The libraries that this build uses, with their versions.
#pragma once

#include <string>

namespace basin {

std::string library_versions();

}  // namespace basin
