#include "tools/toml_config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <optional>

#include "engine/io/file.h"
#include "kernels/error.h"

namespace basin {
namespace {

// CLI11 reads config files of a whole program only, not of one command.
constexpr const char* kOption = "--config";

// The last value given to an option, or none.
std::optional<std::string> value_of(const std::vector<std::string>& arguments,
                                    const std::string& option) {
  std::optional<std::string> value;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == option) value = i + 1 < arguments.size() ? arguments[i + 1] : "";
    if (arguments[i].starts_with(option + "=")) value = arguments[i].substr(option.size() + 1);
  }
  return value;
}

std::string text_of(const toml::node& node, const std::string& where) {
  std::string text;
  if (const auto value = node.value_exact<std::string>()) text = *value;
  if (const auto value = node.value_exact<bool>()) text = fmt::format("{}", *value);
  if (const auto value = node.value_exact<int64_t>()) text = fmt::format("{}", *value);
  if (const auto value = node.value_exact<double>()) text = fmt::format("{}", *value);
  BASIN_CHECK(!text.empty(), where, "found {}, expected a text, a number or a boolean",
              node.is_string() ? "an empty text" : "something else");
  return text;
}

}  // namespace

void add_config_option(CLI::App& command) {
  command.add_option_function<std::string>(
      kOption, [](const std::string&) {}, "a TOML file that sets any of these options");
}

std::vector<std::string> with_config_file(const CLI::App& command,
                                          std::vector<std::string> arguments) {
  const std::optional<std::string> path = value_of(arguments, kOption);
  if (!path || path->empty()) return arguments;
  toml::table table;
  try {
    table = toml::parse(read_text_file(*path));
  } catch (const toml::parse_error& e) {
    fail(*path, "line {}, column {}: {}", e.source().begin.line, e.source().begin.column,
         e.description());
  }
  std::vector<std::string> all;
  for (const auto& [key, node] : table) {
    const std::string option = "--" + std::string(key.str());
    const std::string where =
        fmt::format("{}: line {}: {}", *path, node.source().begin.line, key.str());
    BASIN_CHECK(option != kOption && command.get_option_no_throw(option) != nullptr, where,
                "found no such option of basin {} (see --help)", command.get_name());
    const std::string text = text_of(node, where);
    if (!value_of(arguments, option)) all.push_back(option + "=" + text);
  }
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

}  // namespace basin
