// CLI11 reading its --config files with toml++, so that they are TOML in full.
#pragma once

#include <CLI/CLI.hpp>

namespace basin {

class TomlConfig final : public CLI::Config {
 public:
  // Unused: config.toml is written by the command itself.
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return ""; }
  // Throws CLI::FileError with line and column where the text is not TOML.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;
};

}  // namespace basin
