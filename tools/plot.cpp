#include "tools/plot.h"

#include <unistd.h>

#include <filesystem>

#include "engine/io/file.h"
#include "kernels/error.h"
#include "tools/process.h"

namespace basin {

std::string run_plot(const std::vector<std::string>& arguments) {
  // Debian's own interpreter has Debian's matplotlib; another one found first may not.
  const std::string python =
      std::filesystem::exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
  std::vector<std::string> words{python, tools_folder() + "/plot.py"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  if (run_silently(words)) return "";
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

}  // namespace basin
