// What every subcommand of `basin` shares: options, their validation, TOML files, exit codes. For
// the files that define options: CLI11 is much to compile, so other headers only name CLI::App.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tools/choices.h"

namespace basin {

struct CommonOptions {
  std::string device = "cpu";
  int threads = 0;  // 0 until parsed: the machine's cores
  uint64_t seed = 0;
  bool quiet = false;
};
void add_common_options(CLI::App& command, CommonOptions& options);

// "a, b or c"
std::string listed(const std::vector<std::string>& words);
// "a,b,c" -> a, b, c
std::vector<std::string> split(const std::string& list);

// Validators: "found -1, expected a number >= 0".
CLI::Validator non_negative();  // finite
CLI::Validator positive();      // finite
CLI::Validator finite();
CLI::Validator at_least(int64_t n);  // a whole number
CLI::Validator between(int64_t least, int64_t most);
CLI::Validator fraction();  // 0 to 1
CLI::Validator one_of(const std::vector<std::string>& words);
CLI::Validator picture();  // a file name that ends in .png or .svg

// A subcommand of `parent`: a call to here, as what CLI11 makes of one is half of its text.
CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& help);

// An option that takes one word of `choices`, which its help lists.
template <class Value>
CLI::Option* add_choice(CLI::App& command, const std::string& name, Value& value,
                        const Choices<Value>& choices, const std::string& help) {
  std::vector<std::string> words;
  for (const auto& choice : choices) words.push_back(choice.first);
  const auto set = [&value, choices](const std::string& word) {
    for (const auto& [name, meaning] : choices) {
      if (name == word) value = meaning;
    }
  };
  return command.add_option_function<std::string>(name, set, help + ": " + listed(words))
      ->check(one_of(words))
      ->default_str(choice_name(choices, value));
}

// An option that takes whole numbers from 1 to `most`, each above the one before: "16,32,64".
CLI::Option* add_rising_numbers(CLI::App& command, const std::string& name,
                                std::vector<int64_t>& values, int64_t most,
                                const std::string& help);

// An option that takes numbers >= 0, each above the one before: "0.05,0.1".
CLI::Option* add_radii(CLI::App& command, const std::string& name, std::vector<double>& values,
                       const std::string& help);

// In the place of the common --seed, which takes one: several, none of them twice, "0,1,2".
void replace_seed_option(CLI::App& command, std::vector<uint64_t>& seeds);

// A subcommand: its options, and what runs when it is chosen; returns the exit code.
using Command = std::function<int()>;
Command add_train(CLI::App& app);
Command add_step(CLI::App& app);
Command add_info(CLI::App& app);
Command add_data(CLI::App& app);
Command add_bench(CLI::App& app);
Command add_profile(CLI::App& app);
Command add_surface(CLI::App& app);
Command add_sharpness(CLI::App& app);
Command add_diag(CLI::App& app);
Command add_relu1d(CLI::App& app);
Command add_reproduce(CLI::App& app);

}  // namespace basin
