// --config FILE: a TOML file in the place of options.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace basin {

// "basin bench step", of a command below the program.
std::string full_name(const CLI::App& command);
// Adds --config to a command's options, or to those of each of its subcommands.
void add_config_option(CLI::App& command);
// The command's arguments, with those of the file that they name by --config put before them. What
// stands on the command line goes before what the file says. Throws Error(Usage) with the file's
// line where it is not TOML, or sets something that is no option of the command, or to a value that
// the option does not take.
std::vector<std::string> with_config_file(CLI::App& command, std::vector<std::string> arguments);

}  // namespace basin
