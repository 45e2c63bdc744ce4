#include "tools/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace basin {

size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool is_terminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && kind != nullptr && std::strcmp(kind, "dumb") != 0;
}

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(std::lround(seconds));
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}m{:02}s", s / 60, s % 60);
}

ProgressLine::ProgressLine(Quiet quiet)
    : shown_(quiet == Quiet::No && is_terminal()), start_(Clock::now()), drawn_(start_) {}

void ProgressLine::show(double done, const std::string& text) {
  const auto now = Clock::now();
  if (!shown_ || done <= 0 || now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  const double left = std::chrono::duration<double>(now - start_).count() * (1 - done) / done;
  const std::string line = fmt::format("{}  {} left", text, duration(left));
  // One column stays free: a terminal may begin a new line behind its last.
  fmt::print("\r\033[K{}", line.substr(0, terminal_width() - 1));
  std::fflush(stdout);
  live_ = true;
}

void ProgressLine::clear() {
  if (live_) fmt::print("\r\033[K");
  std::fflush(stdout);
  live_ = false;
}

}  // namespace basin
