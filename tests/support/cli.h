// The built program as a child process: what it printed and how it ended.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/files.h"

namespace basin::test {

struct ProgramResult {
  int code = -1;  // as a shell has it: 128 + N where signal N ended it
  std::string out, err;

  int64_t error_lines() const { return std::count(err.begin(), err.end(), '\n'); }
};

// `basin arguments...`, started; ended at the latest when this goes.
class Program {
 public:
  // No file that it writes may grow beyond `file_limit` bytes, which is a disk that is full there.
  explicit Program(const std::vector<std::string>& arguments, rlim_t file_limit = RLIM_INFINITY);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  bool running();
  void kill(int signal) const;
  ProgramResult wait();

 private:
  Folder folder_;
  pid_t child_ = -1;
};

ProgramResult run_program(const std::vector<std::string>& arguments,
                          rlim_t file_limit = RLIM_INFINITY);

// The command has to end well, and without a word.
void expect_success(const std::vector<std::string>& arguments);

// The command has to fail with this exit code and one line on stderr that has all of `parts`.
void expect_failure(const ProgramResult& result, int code, const std::vector<std::string>& parts);

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b);

// Training that takes a second.
std::vector<std::string> small_training(const std::string& out,
                                        const std::string& model = "resnet_tiny_gn");

}  // namespace basin::test
