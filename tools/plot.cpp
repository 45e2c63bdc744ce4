#include "tools/plot.h"

#include <unistd.h>

#include <filesystem>

#include "engine/io/file.h"
#include "kernels/error.h"
#include "tools/process.h"

namespace basin {

bool run_python(const std::string& script, const std::vector<std::string>& arguments) {
  // Debian's own interpreter has Debian's matplotlib; another one found first may not.
  const std::string python =
      std::filesystem::exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
  std::vector<std::string> words{python, tools_folder() + "/" + script};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run_silently(words);
}

std::string run_plot(const std::vector<std::string>& arguments) {
  if (run_python("plot.py", arguments)) return "";
  return "no picture: python3 with matplotlib (python3-matplotlib) draws it, and did not run";
}

void draw_json(const std::string& kind, const std::string& json, const std::string& picture,
               const std::string& option) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("basin-{}-{}.json", kind, getpid());
  write_file_atomically(file.string(), json);
  const std::string problem = run_plot({kind, file.string(), "--out", picture});
  std::filesystem::remove(file);
  if (!problem.empty()) fail_run(option, "{}", problem);
}

ResultFiles::ResultFiles(std::string folder, std::string name)
    : folder_(std::move(folder)), name_(std::move(name)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  BASIN_CHECK(!error, "--out", "could not make the folder {}: {}", folder_, error.message());
  AtomicFile(path("json"));  // said before anything is measured
}

std::string ResultFiles::path(const std::string& suffix) const {
  return fmt::format("{}/{}.{}", folder_, name_, suffix);
}

void ResultFiles::write(const std::string& suffix, const std::string& text) const {
  write_file_atomically(path(suffix), text);
}

std::string ResultFiles::write_drawn(const std::string& json) const {
  write("json", json);
  std::string problem;
  for (const char* suffix : {"png", "svg"}) {
    problem = run_plot({name_, path("json"), "--out", path(suffix)});
  }
  return problem;
}

}  // namespace basin
