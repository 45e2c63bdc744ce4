// What every subcommand of `basin` shares: options, and what runs. CLI11 is much to compile: this
// is what the files that define options see of it.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tools/checks.h"
#include "tools/choices.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace basin {

// An option of a command: what is said of it once it was added, in a chain.
class CommandOption {
 public:
  explicit CommandOption(CLI::Option* option) : option_(option) {}
  CommandOption check(const Check& check) const;
  // A check that may put another value in the place of the given one.
  CommandOption transform(const std::function<std::string(std::string&)>& check) const;
  CommandOption required() const;
  CommandOption expected(int values) const;  // as many words, one behind the other
  CommandOption take_all() const;            // may be repeated
  CommandOption group(const std::string& name) const;
  // In --help: what stands for its value, and its default (that of the variable, or a text).
  CommandOption type_name(const std::string& name) const;
  CommandOption capture_default_str() const;
  CommandOption default_str(const std::string& text) const;

 private:
  CLI::Option* option_;
};

// A command, or the program itself.
class CommandLine {
 public:
  explicit CommandLine(CLI::App& app) : app_(&app) {}
  CommandLine add_command(const std::string& name, const std::string& help) const;
  void require_subcommand() const;  // exactly one
  void footer(const std::string& text) const;

  // An option whose value goes to `value`: an int, int64_t, uint64_t, double, text or several
  // texts.
  template <class T>
  CommandOption add_option(const std::string& name, T& value, const std::string& help) const;
  CommandOption add_flag(const std::string& name, bool& value, const std::string& help) const;
  // Those whose value goes to a function.
  CommandOption add_option_function(const std::string& name,
                                    const std::function<void(const std::string&)>& set,
                                    const std::string& help) const;
  CommandOption add_flag_function(const std::string& name, const std::function<void(bool)>& set,
                                  const std::string& help) const;
  void remove_option(const std::string& name) const;

  // Once the program's arguments were read: whether it was chosen, and an option of it given.
  bool parsed() const;
  bool given(const std::string& option) const;

 private:
  CLI::App* app_;
};

struct CommonOptions {
  std::string device = "cpu";
  int threads = 0;  // 0 until parsed: the machine's cores
  uint64_t seed = 0;
  bool quiet = false;
};
void add_common_options(CommandLine command, CommonOptions& options);

// An option that takes one word of `choices`, which its help lists.
template <class Value>
CommandOption add_choice(CommandLine command, const std::string& name, Value& value,
                         const Choices<Value>& choices, const std::string& help) {
  std::vector<std::string> words;
  for (const auto& choice : choices) words.push_back(choice.first);
  const auto set = [&value, choices](const std::string& word) {
    for (const auto& [name, meaning] : choices) {
      if (name == word) value = meaning;
    }
  };
  return command.add_option_function(name, set, help + ": " + listed(words))
      .check(one_of(words))
      .default_str(choice_name(choices, value));
}

// An option that takes a list in one word. `check` is of the whole list; parse(word): a value.
template <class Value, class Parse>
CommandOption add_list(CommandLine command, const std::string& name, std::vector<Value>& values,
                       const Check& check, const Parse& parse, const std::string& help) {
  const auto set = [=, &values](const std::string& list) {
    values.clear();
    for (const std::string& word : split(list)) values.push_back(parse(word));
  };
  return command.add_option_function(name, set, help).check(check).type_name("LIST");
}

// An option that takes whole numbers from 1 to `most`, each above the one before: "16,32,64".
CommandOption add_rising_numbers(CommandLine command, const std::string& name,
                                 std::vector<int64_t>& values, int64_t most,
                                 const std::string& help);

// An option that takes numbers >= 0, each above the one before: "0.05,0.1".
CommandOption add_radii(CommandLine command, const std::string& name, std::vector<double>& values,
                        const std::string& help);

// In the place of the common --seed, which takes one: several, none of them twice, "0,1,2".
void replace_seed_option(CommandLine command, std::vector<uint64_t>& seeds);

// A subcommand: its options, and what runs when it is chosen; returns the exit code.
using Command = std::function<int()>;
Command add_train(CommandLine app);
Command add_step(CommandLine app);
Command add_info(CommandLine app);
Command add_data(CommandLine app);
Command add_bench(CommandLine app);
Command add_profile(CommandLine app);
Command add_surface(CommandLine app);
Command add_sharpness(CommandLine app);
Command add_diag(CommandLine app);
Command add_relu1d(CommandLine app);
Command add_reproduce(CommandLine app);

}  // namespace basin
