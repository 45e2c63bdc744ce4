// One error type and one way to raise it. An error says where, what was found and what was
// expected, in one line; `main` prints the line and leaves with the exit code below.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace basin {

// What went wrong, in the words of the program's exit codes.
enum class ErrorKind {
  Usage = 2,  // wrong usage or bad input: the caller can mend it
  Run = 1,    // the run itself failed: a library call, a full disk, a diverged loss
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Throws Error(kind), "where: " and the formatted text: what the two below come to.
[[noreturn]] void raise_error(ErrorKind kind, std::string_view where, fmt::string_view format,
                              fmt::format_args args);

// Raises Error(Usage): `where` is the op, option or file that the reader has to look at.
template <class... Args>
[[noreturn]] void fail(std::string_view where, fmt::format_string<Args...> format, Args&&... args) {
  raise_error(ErrorKind::Usage, where, format, fmt::make_format_args(args...));
}

// Raises Error(Run).
template <class... Args>
[[noreturn]] void fail_run(std::string_view where, fmt::format_string<Args...> format,
                           Args&&... args) {
  raise_error(ErrorKind::Run, where, format, fmt::make_format_args(args...));
}

}  // namespace basin

// BASIN_CHECK(x.rank() == 2, "[linear] x", "found shape {}, expected two dimensions", shape)
#define BASIN_CHECK(condition, where, ...) \
  do {                                     \
    if (!(condition)) {                    \
      ::basin::fail((where), __VA_ARGS__); \
    }                                      \
  } while (false)
