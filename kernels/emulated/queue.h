// What a stream holds: tasks in their order, and the marks that events leave between them.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace basin::emulated {

class Capture;

// What an event marks: the place in a stream at which it was recorded last.
struct Mark {
  bool reached = false;
};

// What a stream does next. A captured one is kept, and run once for each launch of its graph.
struct Task {
  std::string name;
  std::function<void()> run;
  std::shared_ptr<Mark> after;  // not before this is reached; may be null
};

// The place of a captured stream, or event, in its capture: behind these nodes.
struct Captured {
  std::shared_ptr<Capture> capture;  // null where there is none
  std::vector<size_t> behind;
};

struct Queue {
  std::deque<Task> tasks;
  Captured captured;
};
struct Event {
  std::shared_ptr<Mark> mark;
  Captured captured;
};

}  // namespace basin::emulated
