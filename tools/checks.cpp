#include "tools/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "tools/suggestion.h"

namespace basin {
namespace {

Check number(const char* expected, const std::function<bool(double)>& accepts) {
  return [=](const std::string& text) -> std::string {
    double value = NAN;
    const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = status == std::errc() && stop == text.data() + text.size();
    if (whole && std::isfinite(value) && accepts(value)) return "";
    return fmt::format("found {}, expected {}", text, expected);
  };
}

// A leading zero is refused: CLI11 would take 010 for eight.
Check whole(int64_t least, int64_t most, const std::string& expected) {
  return [=](const std::string& text) -> std::string {
    int64_t value = 0;
    const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool all = status == std::errc() && stop == text.data() + text.size();
    const bool zero_first = text.size() > 1 && text[text[0] == '-' ? 1 : 0] == '0';
    if (all && !zero_first && value >= least && value <= most) return "";
    return fmt::format("found {}, expected {}", text, expected);
  };
}

}  // namespace

Check non_negative() {
  return number("a number >= 0", [](double v) { return v >= 0; });
}
Check positive() {
  return number("a number above 0", [](double v) { return v > 0; });
}
Check finite() {
  return number("a finite number", [](double) { return true; });
}
Check fraction() {
  return number("a number from 0 to 1", [](double v) { return v >= 0 && v <= 1; });
}
Check at_least(int64_t n) {
  return whole(n, std::numeric_limits<int64_t>::max(), fmt::format("a whole number >= {}", n));
}
Check between(int64_t least, int64_t most) {
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

Check one_of(const std::vector<std::string>& words) {
  return [=](const std::string& text) -> std::string {
    if (std::find(words.begin(), words.end(), text) != words.end()) return "";
    return fmt::format("found '{}', expected {}{}", text, listed(words), suggestion(text, words));
  };
}

Check picture() {
  return [](const std::string& path) -> std::string {
    if (path.ends_with(".png") || path.ends_with(".svg")) return "";
    return fmt::format("found '{}', expected a name that ends in .png or .svg", path);
  };
}

Check seed_list() {
  return [](const std::string& list) -> std::string {
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
}

}  // namespace basin
