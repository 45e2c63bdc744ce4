#include "tools/run_queue.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "engine/io/file.h"
#include "kernels/error.h"
#include "tools/process.h"

namespace basin {
namespace {

std::string record_of(const QueuedRun& run) {
  return fmt::format("basin {}\n", fmt::join(run.words, " "));
}

std::string file_of(const QueuedRun& run, const char* name) {
  return run.folder + "/" + name;
}

bool is_done(const QueuedRun& run) {
  const std::string path = file_of(run, "command.txt");
  return std::filesystem::exists(path) && read_text_file(path) == record_of(run);
}

pid_t start(const QueuedRun& run) {
  std::error_code error;
  std::filesystem::create_directories(run.folder, error);
  BASIN_CHECK(!error, "--out", "could not make the folder {}: {}", run.folder, error.message());
  std::vector<std::string> words = run.words;
  words.insert(words.begin(), std::filesystem::read_symlink("/proc/self/exe").string());
  // What was begun under other words is no part of this run.
  const std::string begun = file_of(run, "begun.txt");
  const bool same = std::filesystem::exists(begun) && read_text_file(begun) == record_of(run);
  if (same && run.words[0] == "train" &&
      std::filesystem::exists(file_of(run, "checkpoint.safetensors"))) {
    words.push_back("--resume");
  }
  std::filesystem::remove(file_of(run, "command.txt"));
  write_file_atomically(begun, record_of(run));
  const std::string log = file_of(run, "log.txt");
  const std::vector<char*> argv = argv_of(words);
  const pid_t child = fork();
  if (child < 0) fail_run(run.name, "could not be started: {}", std::strerror(errno));
  if (child == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  return child;
}

std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "nothing";
  const size_t before = text.rfind('\n', end);
  return text.substr(before == std::string::npos ? 0 : before + 1,
                     before == std::string::npos ? end + 1 : end - before);
}

}  // namespace

void run_queue(const std::vector<QueuedRun>& runs, int at_once,
               const std::function<void(int64_t)>& finished) {
  std::map<pid_t, const QueuedRun*> under_way;
  std::string failure;
  int64_t done = 0;
  auto next = runs.begin();
  while (next != runs.end() || !under_way.empty()) {
    while (next != runs.end() && static_cast<int>(under_way.size()) < at_once && failure.empty()) {
      const QueuedRun& run = *next++;
      if (is_done(run)) {
        finished(++done);
      } else {
        under_way[start(run)] = &run;
      }
    }
    if (under_way.empty()) break;
    int status = 0;
    const pid_t child = waitpid(-1, &status, 0);
    const auto ended = under_way.find(child);
    if (ended == under_way.end()) continue;
    const QueuedRun& run = *ended->second;
    under_way.erase(ended);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == 1 && run.may_diverge) {
      write_file_atomically(file_of(run, "summary.json"), "{\"diverged\": true}\n");
    }
    if (code == 0 || (code == 1 && run.may_diverge)) {
      write_file_atomically(file_of(run, "command.txt"), record_of(run));
      finished(++done);
    } else if (failure.empty()) {
      failure = fmt::format("{}: {}", run.name, last_line(read_text_file(file_of(run, "log.txt"))));
    }
  }
  if (!failure.empty()) fail_run("reproduce", "{}", failure);
}

}  // namespace basin
