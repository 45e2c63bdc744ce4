#include "tools/cli.h"

#include <fmt/format.h>
#include <omp.h>

#include <CLI/CLI.hpp>
#include <charconv>

namespace basin {

CommandOption CommandOption::check(const Check& check) const {
  option_->check(CLI::Validator(check, ""));
  return *this;
}
CommandOption CommandOption::transform(
    const std::function<std::string(std::string&)>& check) const {
  option_->transform(CLI::Validator(check, ""));
  return *this;
}
CommandOption CommandOption::required() const {
  option_->required();
  return *this;
}
CommandOption CommandOption::expected(int values) const {
  option_->expected(values);
  return *this;
}
CommandOption CommandOption::take_all() const {
  option_->take_all();
  return *this;
}
CommandOption CommandOption::group(const std::string& name) const {
  option_->group(name);
  return *this;
}
CommandOption CommandOption::type_name(const std::string& name) const {
  option_->type_name(name);
  return *this;
}
CommandOption CommandOption::capture_default_str() const {
  option_->capture_default_str();
  return *this;
}
CommandOption CommandOption::default_str(const std::string& text) const {
  option_->default_str(text);
  return *this;
}

CommandLine CommandLine::add_command(const std::string& name, const std::string& help) const {
  return CommandLine(*app_->add_subcommand(name, help));
}
void CommandLine::require_subcommand() const {
  app_->require_subcommand(1);
}
void CommandLine::footer(const std::string& text) const {
  app_->footer(text);
}

template <class T>
CommandOption CommandLine::add_option(const std::string& name, T& value,
                                      const std::string& help) const {
  return CommandOption(app_->add_option(name, value, help));
}
template CommandOption CommandLine::add_option(const std::string&, int&, const std::string&) const;
template CommandOption CommandLine::add_option(const std::string&, int64_t&,
                                               const std::string&) const;
template CommandOption CommandLine::add_option(const std::string&, uint64_t&,
                                               const std::string&) const;
template CommandOption CommandLine::add_option(const std::string&, double&,
                                               const std::string&) const;
template CommandOption CommandLine::add_option(const std::string&, std::string&,
                                               const std::string&) const;
template CommandOption CommandLine::add_option(const std::string&, std::vector<std::string>&,
                                               const std::string&) const;

CommandOption CommandLine::add_flag(const std::string& name, bool& value,
                                    const std::string& help) const {
  return CommandOption(app_->add_flag(name, value, help));
}
CommandOption CommandLine::add_option_function(const std::string& name,
                                               const std::function<void(const std::string&)>& set,
                                               const std::string& help) const {
  return CommandOption(app_->add_option_function<std::string>(name, set, help));
}
CommandOption CommandLine::add_flag_function(const std::string& name,
                                             const std::function<void(bool)>& set,
                                             const std::string& help) const {
  const auto counted = [set](int64_t count) { set(count > 0); };
  return CommandOption(app_->add_flag_function(name, counted, help));
}
void CommandLine::remove_option(const std::string& name) const {
  app_->remove_option(app_->get_option(name));
}

bool CommandLine::parsed() const {
  return app_->parsed();
}
bool CommandLine::given(const std::string& option) const {
  return app_->get_option(option)->count() > 0;
}

namespace {

CommandOption add_numbers(CommandLine command, const std::string& name, auto& values,
                          const Check& check, const std::string& help) {
  const auto parse = [](const std::string& word) {
    typename std::remove_reference_t<decltype(values)>::value_type value{};
    std::from_chars(word.data(), word.data() + word.size(), value);
    return value;
  };
  return add_list(command, name, values, check, parse, help)
      .default_str(fmt::format("{}", fmt::join(values, ",")));
}

}  // namespace

CommandOption add_rising_numbers(CommandLine command, const std::string& name,
                                 std::vector<int64_t>& values, int64_t most,
                                 const std::string& help) {
  const auto complaint = [most](const std::string& list) -> std::string {
    int64_t least = 1;
    for (const std::string& word : split(list)) {
      const std::string problem = between(least, most)(word);
      if (!problem.empty()) {
        return fmt::format("found {}, expected whole numbers from 1 to {} that rise, as 8,16,32",
                           list, most);
      }
      least = std::stoll(word) + 1;
    }
    return "";
  };
  return add_numbers(command, name, values, complaint, help);
}

CommandOption add_radii(CommandLine command, const std::string& name, std::vector<double>& values,
                        const std::string& help) {
  const auto complaint = [](const std::string& list) -> std::string {
    double last = -1;
    for (const std::string& word : split(list)) {
      const bool fits = non_negative()(word).empty();
      if (!fits || std::stod(word) <= last) {
        return fmt::format("found {}, expected numbers >= 0 that rise, as 0.05,0.1,0.2", list);
      }
      last = std::stod(word);
    }
    return "";
  };
  return add_numbers(command, name, values, complaint, help);
}

void replace_seed_option(CommandLine command, std::vector<uint64_t>& seeds) {
  command.remove_option("--seed");
  add_numbers(command, "--seed", seeds, seed_list(),
              "of the random numbers of a run; several: a run each")
      .group("Common");
}

void add_common_options(CommandLine command, CommonOptions& o) {
  const std::string group = "Common";
  o.threads = omp_get_num_procs();
  command.add_option("--device", o.device, "cpu, cuda or cuda:N")
      .capture_default_str()
      .group(group);
  command.add_option("--threads", o.threads, "CPU threads")
      .check(between(1, 1024))
      .capture_default_str()
      .group(group);
  command.add_option("--seed", o.seed, "of every random number")
      .check(at_least(0))
      .capture_default_str()
      .group(group);
  command.add_flag("--quiet", o.quiet, "print nothing but errors").group(group);
}

}  // namespace basin
