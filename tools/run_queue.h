// Runs of `basin` itself, several at a time, each with a folder of its own; those that are done are
// not run again.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace basin {

struct QueuedRun {
  std::string name, folder;
  std::vector<std::string> words;  // of `basin`
  bool may_diverge = false;        // one that fails (exit code 1) is done too
};

// A run is done where its folder holds command.txt, written behind it, with the same words. A
// training run that was begun and not ended is resumed. What a run prints goes to its log.txt.
// finished(number of runs that are done) is called behind each. Error(Run), once those under way
// have ended, with the name and the last words of the first that fails. A terminal's Ctrl-C
// reaches them as well: training writes its checkpoint.
void run_queue(const std::vector<QueuedRun>& runs, int at_once,
               const std::function<void(int64_t)>& finished);

}  // namespace basin
