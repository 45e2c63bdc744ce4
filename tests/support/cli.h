// The built program as a child process: what it printed and how it ended.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
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
  explicit Program(const std::vector<std::string>& arguments, rlim_t file_limit = RLIM_INFINITY) {
    const char* program = std::getenv("BASIN_PROGRAM");  // where a build was carried elsewhere
    std::vector<std::string> words{program != nullptr ? program : BASIN_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string out = folder_.file("out"), err = folder_.file("err");
    child_ = fork();
    if (child_ != 0) return;
    dup2(open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    setenv("PYTHONHOME", "/nonexistent", 1);  // no picture: it would take longer than the run
    setenv("OMP_WAIT_POLICY", "passive", 1);
    if (file_limit != RLIM_INFINITY) {
      const rlimit limit{file_limit, file_limit};
      setrlimit(RLIMIT_FSIZE, &limit);
    }
    execv(argv[0], argv.data());
    _exit(127);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    wait();
  }

  bool running() {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
  }
  void kill(int signal) const { ::kill(child_, signal); }
  ProgramResult wait() {
    int status = 0;
    while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    child_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            bytes_of(folder_.file("out")), bytes_of(folder_.file("err"))};
  }

 private:
  Folder folder_;
  pid_t child_ = -1;
};

inline ProgramResult run_program(const std::vector<std::string>& arguments,
                                 rlim_t file_limit = RLIM_INFINITY) {
  return Program(arguments, file_limit).wait();
}

// The command has to fail with this exit code and one line on stderr that has all of `parts`.
inline void expect_failure(const ProgramResult& result, int code,
                           const std::vector<std::string>& parts) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_EQ(result.error_lines(), 1) << result.err;
  for (const std::string& part : parts) EXPECT_THAT(result.err, testing::HasSubstr(part));
}

inline std::vector<std::string> operator+(std::vector<std::string> a,
                                          const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Training that takes a second.
inline std::vector<std::string> small_training(const std::string& out,
                                               const std::string& model = "resnet_tiny_gn") {
  return {"train",       "--dataset", "shapes",  "--train-size", "256",
          "--test-size", "100",       "--model", model,          "--width",
          "4",           "--batch",   "32",      "--epochs",     "2",
          "--threads",   "2",         "--quiet", "--out",        out};
}

}  // namespace basin::test
