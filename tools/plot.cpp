#include "tools/plot.h"

#include <filesystem>

#include "tools/process.h"

namespace basin {

std::string run_plot(const std::vector<std::string>& arguments) {
  // Debian's own interpreter has Debian's matplotlib; another one found first may not.
  const std::string python =
      std::filesystem::exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
  std::vector<std::string> words{python, BASIN_TOOLS_DIR "/plot.py"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  if (run_silently(words)) return "";
  return "no picture: python3 with matplotlib (python3-matplotlib) draws it, and did not run";
}

}  // namespace basin
