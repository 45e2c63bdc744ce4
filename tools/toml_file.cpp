#include "tools/toml_file.h"

#include "engine/io/file.h"
#include "kernels/error.h"

namespace basin {

toml::table read_toml(const std::string& path) {
  try {
    return toml::parse(read_text_file(path));
  } catch (const toml::parse_error& e) {
    fail(path, "line {}, column {}: {}", e.source().begin.line, e.source().begin.column,
         e.description());
  }
}

}  // namespace basin
