// What every subcommand of `basin` shares: options, their validation, TOML files, exit codes.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace basin {

struct CommonOptions {
  std::string device = "cpu";
  int threads = 0;  // 0 until parsed: the machine's cores
  uint64_t seed = 0;
  bool quiet = false;
};
void add_common_options(CLI::App& command, CommonOptions& options);

// Validators: "found -1, expected a number >= 0".
CLI::Validator non_negative();       // finite
CLI::Validator positive();           // finite
CLI::Validator at_least(int64_t n);  // a whole number
CLI::Validator between(int64_t least, int64_t most);
CLI::Validator fraction();  // 0 to 1

// A subcommand: its options, and what runs when it is chosen; returns the exit code.
using Command = std::function<int()>;
Command add_train(CLI::App& app);
Command add_step(CLI::App& app);
Command add_info(CLI::App& app);
Command add_data(CLI::App& app);

}  // namespace basin
