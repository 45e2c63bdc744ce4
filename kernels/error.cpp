#include "kernels/error.h"

namespace basin {

void raise_error(ErrorKind kind, std::string_view where, fmt::string_view format,
                 fmt::format_args args) {
  throw Error(kind, fmt::format("{}: {}", where, fmt::vformat(format, args)));
}

}  // namespace basin
