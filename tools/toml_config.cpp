#include "tools/toml_config.h"

#include <fmt/format.h>

#include <sstream>
#include <toml++/toml.h>

namespace basin {

std::vector<CLI::ConfigItem> TomlConfig::from_config(std::istream& input) const {
  toml::table table;
  try {
    table = toml::parse(input);
  } catch (const toml::parse_error& e) {
    throw CLI::FileError(fmt::format("--config: line {}, column {}: {}", e.source().begin.line,
                                     e.source().begin.column, e.description()));
  }
  std::vector<CLI::ConfigItem> items;
  for (const auto& [key, node] : table) {
    CLI::ConfigItem item;
    item.name = std::string(key.str());
    if (const auto text = node.value_exact<std::string>()) {
      item.inputs = {*text};
    } else if (node.is_number() || node.is_boolean()) {
      std::ostringstream out;
      node.visit([&](const auto& value) {
        if constexpr (!toml::is_table<decltype(value)> && !toml::is_array<decltype(value)>) {
          out << value;
        }
      });
      item.inputs = {out.str()};
    } else {
      throw CLI::FileError(fmt::format("--config: line {}: '{}' is no text, number or boolean",
                                       node.source().begin.line, item.name));
    }
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace basin
