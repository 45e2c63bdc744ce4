// The terminal that a person looks at, if there is one, and a line on it that says how far a long
// command has come.
#pragma once

#include <chrono>
#include <string>

namespace basin {

enum class Quiet { No, Yes };

size_t terminal_width();
// Whether standard output is a terminal that can go back and clear its line.
bool is_terminal();
// "1m05s", "2h03m"
std::string duration(double seconds);

// One live line on a terminal; nothing in a pipe, or where quiet.
class ProgressLine {
 public:
  explicit ProgressLine(Quiet quiet);
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `done`: the share of the command that is done. The text, cut to the terminal's width, and how
  // long the rest will take; at most ten times a second.
  void show(double done, const std::string& text);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool shown_, live_ = false;
  Clock::time_point start_, drawn_;
};

}  // namespace basin
