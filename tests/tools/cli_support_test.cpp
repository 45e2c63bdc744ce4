// What tests/support/cli.h declares.
#include "tests/support/cli.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace basin::test {

Program::Program(const std::vector<std::string>& arguments, rlim_t file_limit) {
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

Program::~Program() {
  if (child_ <= 0) return;
  ::kill(child_, SIGKILL);
  wait();
}

bool Program::running() {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

void Program::kill(int signal) const {
  ::kill(child_, signal);
}

ProgramResult Program::wait() {
  int status = 0;
  while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          bytes_of(folder_.file("out")), bytes_of(folder_.file("err"))};
}

ProgramResult run_program(const std::vector<std::string>& arguments, rlim_t file_limit) {
  return Program(arguments, file_limit).wait();
}

void expect_success(const std::vector<std::string>& arguments) {
  const ProgramResult result = run_program(arguments);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err + result.out, "");
}

void expect_failure(const ProgramResult& result, int code, const std::vector<std::string>& parts) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_EQ(result.error_lines(), 1) << result.err;
  for (const std::string& part : parts) EXPECT_THAT(result.err, testing::HasSubstr(part));
}

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<std::string> small_training(const std::string& out, const std::string& model) {
  return {"train",       "--dataset", "shapes",  "--train-size", "256",
          "--test-size", "100",       "--model", model,          "--width",
          "4",           "--batch",   "32",      "--epochs",     "2",
          "--threads",   "2",         "--quiet", "--out",        out};
}

}  // namespace basin::test
