// An experiment of the paper as a TOML file says it (tools/reproduce/README.md): what to run.
// What to draw and to compare is read by reproduce.py.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace basin {

struct Experiment {
  struct Run {
    std::string name;                // of its folder: NAME, or seed-S/NAME
    std::vector<std::string> words;  // of `basin`, without --out
    bool may_diverge = false;        // a failed run is a result too
  };
  std::string name, title, source;
  // A run at a time, with all threads; else each has one thread, and several run at once.
  bool serial = false;
  std::vector<Run> runs;
};

// The experiments that come with Basin, by their names.
std::vector<std::string> experiment_names();
// The file of NAME, or NAME itself where it ends in .toml. Error(Usage) where there is none.
std::string experiment_file(const std::string& name);
// At a scale ("small", "paper"), with some of its variables set otherwise, and other `seeds` than
// its own where any are given. Error(Usage) with file and line where it is not as it should be.
Experiment read_experiment(const std::string& file, const std::string& scale,
                           const std::map<std::string, std::string>& variables = {},
                           const std::vector<uint64_t>& seeds = {});

}  // namespace basin
