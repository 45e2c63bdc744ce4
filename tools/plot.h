// Pictures are drawn by tools/plot.py (matplotlib).
#pragma once

#include <string>
#include <vector>

namespace basin {

// Runs `python3 tools/plot.py arguments…` and waits. Returns "" or, in a line, why there is no
// picture: a run does not fail for it.
std::string run_plot(const std::vector<std::string>& arguments);

// Draws `plot.py kind` of a JSON text to `picture`. Throws Error(Run) naming the option that asked
// for the picture where there is none.
void draw_json(const std::string& kind, const std::string& json, const std::string& picture,
               const std::string& option);

}  // namespace basin
