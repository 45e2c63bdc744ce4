#include "kernels/emulated/settings.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "kernels/error.h"

namespace basin::emulated {
namespace {

// The variable's value, or nothing.
std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

template <class Int>
void read(const char* name, std::string_view text, Int& out) {
  if (text.empty()) return;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  BASIN_CHECK(error == std::errc() && stop == text.data() + text.size() && out >= 0, name,
              "found '{}', expected a whole number of 0 or more", text);
}

}  // namespace

Settings Settings::from_environment() {
  Settings settings;
  read("BASIN_EMULATED_SEED", variable("BASIN_EMULATED_SEED"), settings.seed);
  read("BASIN_EMULATED_MEMORY", variable("BASIN_EMULATED_MEMORY"), settings.memory);
  read("BASIN_EMULATED_FAULT", variable("BASIN_EMULATED_FAULT"), settings.fault_at);
  std::string_view fail = variable("BASIN_EMULATED_FAIL");
  if (const size_t colon = fail.find(':'); colon != std::string_view::npos) {
    settings.fail_call = fail.substr(0, colon);
    fail.remove_prefix(colon + 1);
  }
  read("BASIN_EMULATED_FAIL", fail, settings.fail_at);
  return settings;
}

}  // namespace basin::emulated
