#include "tools/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "tools/suggestion.h"

namespace basin {
namespace {

constexpr size_t kColumns = 100, kNames = 28;

// Two columns; the words of `text` wrapped within the second.
std::string two_columns(const std::string& name, const std::string& text) {
  std::string line = fmt::format("  {:<{}}", name, kNames - 2), all;
  if (line.size() > kNames || line.back() != ' ') {
    all = line + "\n";
    line = std::string(kNames, ' ');
  }
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() > kNames && line.size() + 1 + word.size() > kColumns) {
      all += line + "\n";
      line = std::string(kNames, ' ');
    }
    line += (line.size() > kNames ? " " : "") + word;
  }
  return all + line + "\n";
}

// What stands for an option's value in --help.
std::string placeholder(const CLI::Option& option) {
  const std::string type = option.get_type_name().substr(0, option.get_type_name().find(':'));
  if (type == "FLOAT") return "X";
  if (type == "INT" || type == "UINT") return "N";
  return type == "ENUM" || type == "TEXT" ? "NAME" : type;
}

template <class Kind>
bool is(const CLI::ParseError& error) {
  return dynamic_cast<const Kind*>(&error) != nullptr;
}

// "a: text" -> text, where a is as given.
std::string behind(const std::string& text, const std::string& start) {
  return text.starts_with(start) ? text.substr(start.size()) : text;
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
  const std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
  std::string help;  // without the second of two empty lines
  for (const char c : text) {
    if (c != '\n' || !help.ends_with("\n\n")) help += c;
  }
  return help;
}

std::string HelpFormatter::make_description(const CLI::App* app) const {
  return app->get_description() + "\n\n";
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = option->get_name(is_positional, true), text = option->get_description();
  if (option->get_type_size() != 0) {
    if (!is_positional) name += " " + placeholder(*option);
    if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
    if (option->get_required()) text += " (required)";
  }
  return two_columns(name, text);
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  const std::string& text = command->get_description();
  return two_columns(command->get_name(), text.substr(0, text.find(". ")));
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string explain(const CLI::ParseError& error, const CLI::App& command,
                    const std::vector<std::string>& words) {
  std::string text = error.what();
  const std::string name = text.substr(0, text.find_first_of(": "));
  std::vector<std::string> commands;  // below this one
  for (const CLI::App* sub : command.get_subcommands({})) commands.push_back(sub->get_name());
  const bool chosen = commands.empty() || !command.get_subcommands().empty();
  if (!chosen && (words.empty() || !words[0].starts_with('-'))) {
    const std::string found = words.empty() ? "no command" : "'" + words[0] + "'";
    return fmt::format("found {}, expected one of {}{}", found, fmt::join(commands, ", "),
                       words.empty() ? "" : suggestion(words[0], commands));
  }
  if (is<CLI::ExtrasError>(error) || !chosen) {
    std::vector<std::string> names = option_names(command);
    for (const CLI::App* sub : command.get_subcommands()) {  // those that were chosen
      const std::vector<std::string> more = option_names(*sub);
      names.insert(names.end(), more.begin(), more.end());
    }
    for (const std::string& word : words) {
      const std::string option = word.substr(0, word.find('='));
      if (!option.starts_with('-') || option == "--") continue;
      if (std::find(names.begin(), names.end(), option) != names.end()) continue;
      return fmt::format("{}: found no such option{}", option, suggestion(option, names));
    }
    return fmt::format("found '{}', expected options only", text.substr(text.find(": ") + 2));
  }
  if (is<CLI::RequiredError>(error)) {
    return name + ": found nothing, expected a value: it is required";
  }
  if (is<CLI::ArgumentMismatch>(error)) {
    if (text.ends_with("missing")) return name + ": found nothing behind it, expected a value";
    if (text.find("At Most 1") != std::string::npos) {
      return name + ": found more than one value, expected one";
    }
    int needed = 0, received = 0;  // "--between: At least 2 required but received 1"
    const std::string tail = behind(text, name + ": ");
    if (std::sscanf(tail.c_str(), "At least %d required but received %d", &needed, &received) ==
        2) {
      return fmt::format("{}: found {} of {} values", name, received, needed);
    }
  }
  if (is<CLI::ConversionError>(error)) {  // "Could not convert: --epochs = 3000000000"
    const std::string tail = behind(text, "Could not convert: ");
    const size_t equals = tail.find(" = ");
    if (equals != std::string::npos) {
      return fmt::format("{}: found {}, expected a value in range", tail.substr(0, equals),
                         tail.substr(equals + 3));
    }
  }
  return text;
}

}  // namespace basin
