// Fetching: curl transfers, tar unpacks, both run without a shell.
#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engine/data/catalogue.h"
#include "engine/io/checksum.h"
#include "engine/io/file.h"
#include "kernels/error.h"

namespace basin {
namespace {

namespace fs = std::filesystem;

// Runs a program of the PATH to its end. Its stderr goes to `log` where one is named, and the last
// line of it into the error.
void run_program(const std::vector<std::string>& words, const std::string& what,
                 const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (!log.empty()) {
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0666);
  }
  pid_t child = 0;
  const int status =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (status != 0) {
    fail_run(what, "could not run {}: {} (is it installed?)", words[0], std::strerror(status));
  }
  int result = 0;
  while (::waitpid(child, &result, 0) < 0) {
    if (errno != EINTR) fail_run(what, "lost {}: {}", words[0], std::strerror(errno));
  }
  if (WIFEXITED(result) && WEXITSTATUS(result) == 0) return;
  std::string said = log.empty() ? "" : read_text_file(log);
  while (said.ends_with('\n')) said.pop_back();
  said.erase(0, said.rfind('\n') + 1);
  fail_run(what, "{} failed with {} {}{}{}", words[0], WIFEXITED(result) ? "exit code" : "signal",
           WIFEXITED(result) ? WEXITSTATUS(result) : WTERMSIG(result), said.empty() ? "" : ": ",
           said);
}

// A folder beside `target`, locked while it is used and removed with all that is in it. One that a
// killed process left is emptied and taken over.
class StagingFolder {
 public:
  explicit StagingFolder(const std::string& target) : path_(target + ".fetch") {
    std::error_code error;
    fs::create_directories(path_, error);
    lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    BASIN_CHECK(lock_ >= 0, path_, "could not make this folder: {}",
                error ? error.message() : std::strerror(errno));
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      ::close(lock_);
      fail_run(path_, "found it in use, expected no other fetch of this data set");
    }
    for (const fs::path& old : fs::directory_iterator(path_, error)) fs::remove_all(old, error);
  }
  ~StagingFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    ::close(lock_);
  }
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int lock_;
};

void transfer(const Download& download, const std::string& path, const std::string& log,
              Progress progress) {
  std::vector<std::string> words = {"curl", "--fail", "--location", "--show-error"};
  words.push_back(progress == Progress::Shown ? "--progress-bar" : "--silent");
  const std::string limit = std::to_string(download.bytes);
  words.insert(words.end(), {"--max-filesize", limit, "--output", path, "--", download.url});
  run_program(words, download.url, progress == Progress::Shown ? "" : log);
  std::error_code error;
  const auto found = static_cast<int64_t>(fs::file_size(path, error));
  if (error || found != download.bytes) {
    fail_run(download.url, "found {} bytes, expected {}", error ? 0 : found, download.bytes);
  }
}

}  // namespace

void fetch_files(const CatalogueEntry& entry, const std::string& folder, Progress progress) {
  const auto is_whole = [](const FileReport& report) { return report.state == FileState::Whole; };
  const std::vector<FileReport> before = verify_files(entry, folder);
  if (std::all_of(before.begin(), before.end(), is_whole)) return;
  const StagingFolder staging(folder);
  const std::string log = staging.path() + "/log";
  for (const Download& download : entry.downloads) {
    const std::string path = staging.path() + "/" + fs::path(download.url).filename().string();
    transfer(download, path, log, progress);
    if (download.sha256.empty()) continue;
    const std::string sum = sha256(read_file(path));
    if (sum != download.sha256) {
      fail_run(download.url, "found SHA-256 {}, expected {}", sum, download.sha256);
    }
    run_program({"tar", "-x", "-z", "-f", path, "-C", staging.path(), "--no-same-owner"},
                download.url, log);
    fs::remove(path);
  }
  const std::vector<FileReport> fetched = verify_files(entry, staging.path());
  for (const FileReport& report : fetched) {
    if (is_whole(report)) continue;
    fail_run(entry.name, "found what was fetched damaged: {}: {}", report.path, report.text);
  }
  std::error_code error;
  for (const FileReport& report : before) {
    // It would be found before the new file, which may have another suffix.
    if (report.state == FileState::Damaged) fs::remove(report.path, error);
  }
  for (const FileReport& report : fetched) {
    const fs::path target = folder / fs::relative(report.path, staging.path());
    fs::create_directories(target.parent_path(), error);
    fs::rename(report.path, target, error);
    if (error) fail_run(target.string(), "could not be renamed to: {}", error.message());
  }
}

}  // namespace basin
