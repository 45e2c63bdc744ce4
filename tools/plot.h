// Pictures are drawn by tools/plot.py (matplotlib).
#pragma once

#include <string>
#include <vector>

namespace basin {

// Runs `python3 tools/SCRIPT arguments…` and waits; whether it ended well.
bool run_python(const std::string& script, const std::vector<std::string>& arguments);

// Runs `python3 tools/plot.py arguments…` and waits. Returns "" or, in a line, why there is no
// picture: a run does not fail for it.
std::string run_plot(const std::vector<std::string>& arguments);

// Draws `plot.py kind` of a JSON text to `picture`. Throws Error(Run) naming the option that asked
// for the picture where there is none.
void draw_json(const std::string& kind, const std::string& json, const std::string& picture,
               const std::string& option);

// The files of a command whose results are a JSON text and its picture: FOLDER/NAME.json and so on.
class ResultFiles {
 public:
  // Makes the folder; Error(Usage) where it cannot be written to.
  ResultFiles(std::string folder, std::string name);

  void write(const std::string& suffix, const std::string& text) const;
  // The JSON text, and `plot.py NAME` of it as .png and .svg. Returns "" or why there is none.
  std::string write_drawn(const std::string& json) const;

 private:
  std::string path(const std::string& suffix) const;

  std::string folder_, name_;
};

}  // namespace basin
