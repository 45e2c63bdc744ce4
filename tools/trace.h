// What every op of a replay took, thread by thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "engine/workspace.h"

namespace basin {

struct TraceEvent {
  int node;
  Pass pass;
  int chunk;           // of the thread: how many it had replayed before
  double start, time;  // microseconds, from the trace's beginning
};

// The events of one thread; the memory for them is taken beforehand.
class ThreadTrace final : public ReplayObserver {
 public:
  using Clock = std::chrono::steady_clock;
  ThreadTrace(Clock::time_point beginning, size_t capacity) : beginning_(beginning) {
    events_.reserve(capacity);
  }
  void begin(int node, Pass pass) override {
    if (pass == Pass::Forward && node == 0) ++chunk_;
    start_ = Clock::now();
  }
  void end(int node, Pass pass) override {
    const auto us = [](Clock::duration d) {
      return std::chrono::duration<double, std::micro>(d).count();
    };
    events_.push_back({node, pass, chunk_, us(start_ - beginning_), us(Clock::now() - start_)});
  }
  const std::vector<TraceEvent>& events() const { return events_; }

 private:
  Clock::time_point beginning_, start_;
  std::vector<TraceEvent> events_;
  int chunk_ = -1;
};

const char* pass_name(Pass pass);
// What an op does, by its shapes: "conv2d [16,32,32,16] [16,3,3,16] -> [16,32,32,16]".
std::string describe(const Program& program, int node);
// Chrome's and Perfetto's trace format (JSON): complete events, in microseconds; an event of a
// chunk below the usual size has the costs of the usual one.
std::string trace_json(const Program& program, const std::vector<ThreadTrace>& threads);

}  // namespace basin
