#include "tools/toml_config.h"

#include <fmt/format.h>

#include <optional>

#include "kernels/error.h"
#include "tools/suggestion.h"
#include "tools/toml_file.h"
#include "tools/usage.h"

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

// What kind of TOML value an option takes.
bool accepts(const CLI::Option& option, const toml::node& node) {
  const std::string type = option.get_type_name();
  if (option.get_expected_min() == 0) return node.is_boolean();
  if (type.starts_with("FLOAT")) return node.is_number();
  if (type.starts_with("INT") || type.starts_with("UINT")) return node.is_integer();
  return node.is_string();
}

std::string kind_of(const toml::node& node) {
  if (node.is_string()) return "text";
  if (node.is_boolean()) return "true or false";
  if (node.is_integer()) return "a whole number";
  if (node.is_floating_point()) return "a number";
  return node.is_array() ? "a list" : node.is_table() ? "a table" : "a date or time";
}

std::string expected_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (option.get_expected_min() == 0) return "true or false";
  if (type.starts_with("FLOAT")) return "a number";
  if (type.starts_with("INT") || type.starts_with("UINT")) return "a whole number";
  return "text in quotes";
}

std::string text_of(const CLI::Option& option, const toml::node& node, const std::string& where) {
  BASIN_CHECK(accepts(option, node), where, "found {}, expected {}", kind_of(node),
              expected_of(option));
  std::string text;
  if (const auto value = node.value_exact<std::string>()) text = *value;
  if (const auto value = node.value_exact<bool>()) text = fmt::format("{}", *value);
  if (const auto value = node.value_exact<int64_t>()) text = fmt::format("{}", *value);
  if (const auto value = node.value_exact<double>()) text = fmt::format("{}", *value);
  BASIN_CHECK(!text.empty(), where, "found an empty text, expected one with something in it");
  return text;
}

// The complaint of the option's own check about this value, or "".
std::string complaint(CLI::Option& option, std::string text) {
  try {
    return (*option.get_validator(0))(text);
  } catch (const CLI::OptionNotFound&) {
    return "";  // the option has no check
  }
}

}  // namespace

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_name(*parent) + " " + command.get_name();
}

void add_config_option(CLI::App& command) {
  const std::vector<CLI::App*> subcommands = command.get_subcommands({});
  for (CLI::App* subcommand : subcommands) add_config_option(*subcommand);
  if (!subcommands.empty()) return;
  command
      .add_option_function<std::string>(
          kOption, [](const std::string&) {}, "a TOML file that sets any of these options")
      ->type_name("FILE")
      ->group("Common");
}

std::vector<std::string> with_config_file(CLI::App& command, std::vector<std::string> arguments) {
  const std::optional<std::string> path = value_of(arguments, kOption);
  if (!path || path->empty()) return arguments;
  const toml::table table = read_toml(*path);
  std::vector<std::string> all;
  for (const auto& [key, node] : table) {
    const std::string option = "--" + std::string(key.str());
    const std::string where =
        fmt::format("{}: line {}: {}", *path, node.source().begin.line, key.str());
    CLI::Option* target = command.get_option_no_throw(option);
    BASIN_CHECK(option != kOption && target != nullptr, where, "found no such option of {}{}",
                full_name(command), suggestion(option, option_names(command)));
    const std::string text = text_of(*target, node, where);
    const std::string problem = complaint(*target, text);
    BASIN_CHECK(problem.empty(), where, "{}", problem);
    if (!value_of(arguments, option)) all.push_back(option + "=" + text);
  }
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

}  // namespace basin
