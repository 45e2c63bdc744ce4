#include "tools/cli.h"

#include <omp.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "kernels/error.h"
#include "tools/usage.h"

namespace basin {
namespace {

CLI::Validator number(const char* expected, const std::function<bool(double)>& accepts) {
  return CLI::Validator(
      [=](const std::string& text) -> std::string {
        double value = NAN;
        const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = status == std::errc() && stop == text.data() + text.size();
        if (whole && std::isfinite(value) && accepts(value)) return "";
        return fmt::format("found {}, expected {}", text, expected);
      },
      "");
}

// A leading zero is refused: CLI11 would take 010 for eight.
CLI::Validator whole(int64_t least, int64_t most, const std::string& expected) {
  return CLI::Validator(
      [=](const std::string& text) -> std::string {
        int64_t value = 0;
        const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool all = status == std::errc() && stop == text.data() + text.size();
        const bool zero_first = text.size() > 1 && text[text[0] == '-' ? 1 : 0] == '0';
        if (all && !zero_first && value >= least && value <= most) return "";
        return fmt::format("found {}, expected {}", text, expected);
      },
      "");
}

}  // namespace

CLI::Validator non_negative() {
  return number("a number >= 0", [](double v) { return v >= 0; });
}
CLI::Validator positive() {
  return number("a number above 0", [](double v) { return v > 0; });
}
CLI::Validator finite() {
  return number("a finite number", [](double) { return true; });
}
CLI::Validator fraction() {
  return number("a number from 0 to 1", [](double v) { return v >= 0 && v <= 1; });
}
CLI::Validator at_least(int64_t n) {
  return whole(n, std::numeric_limits<int64_t>::max(), fmt::format("a whole number >= {}", n));
}
CLI::Validator between(int64_t least, int64_t most) {
  return whole(least, most, fmt::format("a whole number from {} to {}", least, most));
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    text += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words(1);
  for (const char c : list) {
    if (c == ',') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

CLI::Validator one_of(const std::vector<std::string>& words) {
  return CLI::Validator(
      [=](const std::string& text) -> std::string {
        if (std::find(words.begin(), words.end(), text) != words.end()) return "";
        return fmt::format("found '{}', expected {}{}", text, listed(words),
                           suggestion(text, words));
      },
      "");
}

CLI::Validator picture() {
  return CLI::Validator(
      [](const std::string& path) -> std::string {
        if (path.ends_with(".png") || path.ends_with(".svg")) return "";
        return fmt::format("found '{}', expected a name that ends in .png or .svg", path);
      },
      "");
}

namespace {

// An option of a list in one word. complaint(list): what is wrong with it, or "".
template <class T>
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<T>& values,
                      const std::function<std::string(const std::string&)>& complaint,
                      const std::string& help) {
  const auto set = [&values](const std::string& list) {
    values.clear();
    for (const std::string& word : split(list)) {
      T value{};
      std::from_chars(word.data(), word.data() + word.size(), value);
      values.push_back(value);
    }
  };
  return command.add_option_function<std::string>(name, set, help)
      ->check(CLI::Validator(complaint, ""))
      ->type_name("LIST")
      ->default_str(fmt::format("{}", fmt::join(values, ",")));
}

}  // namespace

CLI::Option* add_rising_numbers(CLI::App& command, const std::string& name,
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
  return add_list(command, name, values, complaint, help);
}

CLI::Option* add_radii(CLI::App& command, const std::string& name, std::vector<double>& values,
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
  return add_list(command, name, values, complaint, help);
}

CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& help) {
  return parent.add_subcommand(name, help);
}

void replace_seed_option(CLI::App& command, std::vector<uint64_t>& seeds) {
  command.remove_option(command.get_option("--seed"));
  const auto complaint = [](const std::string& list) -> std::string {
    std::vector<std::string> words = split(list);
    for (const std::string& word : words) {
      if (!at_least(0)(word).empty()) {
        return fmt::format("found {}, expected whole numbers >= 0, as 0,1,2", list);
      }
    }
    std::sort(words.begin(), words.end());
    const auto twice = std::adjacent_find(words.begin(), words.end());
    if (twice == words.end()) return "";
    return fmt::format("found {} twice in {}, expected each seed once", *twice, list);
  };
  add_list(command, "--seed", seeds, complaint,
           "of the random numbers of a run; several: a run each")
      ->group("Common");
}

void add_common_options(CLI::App& command, CommonOptions& o) {
  const std::string group = "Common";
  o.threads = omp_get_num_procs();
  command.add_option("--device", o.device, "cpu, cuda or cuda:N")
      ->capture_default_str()
      ->group(group);
  command.add_option("--threads", o.threads, "CPU threads")
      ->check(between(1, 1024))
      ->capture_default_str()
      ->group(group);
  command.add_option("--seed", o.seed, "of every random number")
      ->check(at_least(0))
      ->capture_default_str()
      ->group(group);
  command.add_flag("--quiet", o.quiet, "print nothing but errors")->group(group);
}

}  // namespace basin
