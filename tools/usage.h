// What the program says of its own use: --help, and one line for what is wrong.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace basin {

// Options in two columns, wrapped at 100 characters, with their defaults behind them.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_description(const CLI::App* app) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
};

// The long names of a command's options, as --NAME.
std::vector<std::string> option_names(const CLI::App& command);

// CLI11's complaint in our words: "--rho: found -1, expected a number >= 0". `words` are the
// arguments behind the command's name.
std::string explain(const CLI::ParseError& error, const CLI::App& command,
                    const std::vector<std::string>& words);

}  // namespace basin
