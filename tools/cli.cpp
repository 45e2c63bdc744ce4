#include "tools/cli.h"

#include <omp.h>

#include <charconv>
#include <cmath>

#include "kernels/error.h"

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

}  // namespace

CLI::Validator non_negative() {
  return number("a number >= 0", [](double v) { return v >= 0; });
}
CLI::Validator positive() {
  return number("a number above 0", [](double v) { return v > 0; });
}
CLI::Validator fraction() {
  return number("a number from 0 to 1", [](double v) { return v >= 0 && v <= 1; });
}
CLI::Validator at_least(int64_t n) {
  const std::string expected = fmt::format("a whole number >= {}", n);
  return CLI::Validator(
      [=](const std::string& text) -> std::string {
        int64_t value = 0;
        const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = status == std::errc() && stop == text.data() + text.size();
        if (whole && value >= n) return "";
        return fmt::format("found {}, expected {}", text, expected);
      },
      "");
}

void add_common_options(CLI::App& command, CommonOptions& o) {
  o.threads = omp_get_num_procs();
  command.add_option("--device", o.device, "cpu, cuda or cuda:N")->capture_default_str();
  command.add_option("--threads", o.threads, "CPU threads")
      ->check(at_least(1))
      ->capture_default_str();
  command.add_option("--seed", o.seed, "of every random number")->capture_default_str();
  command.add_flag("--quiet", o.quiet, "print nothing but errors");
}

}  // namespace basin
