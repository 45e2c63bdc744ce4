// Work that is recorded instead of run: a capture gathers what its streams are given, as nodes of a
// graph, each behind those that its stream, or an event, put before it.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kernels/emulated/queue.h"
#include "kernels/emulated/settings.h"
#include "kernels/emulated/status.h"

namespace basin::emulated {

struct Node {
  Task task;
  std::vector<size_t> behind;  // earlier nodes, which have to have run
};
struct Graph {
  std::vector<Node> nodes;

  // An order that the nodes allow, seeded.
  std::vector<size_t> some_order(Order& order) const;
};

// A graph that can be launched: each launch is behind the one before it.
struct GraphExec {
  std::shared_ptr<const Graph> graph;
  std::shared_ptr<Mark> launched;  // the end of the last launch; null before the first
};

class Capture {
 public:
  // Begins one, of the calling thread, on a stream that is in none.
  static std::shared_ptr<Capture> begin(Queue& origin);
  // Ends it and lets its streams go. The graph; or a Fault where something has invalidated it, or
  // not all of its work is in front of its first stream's end.
  Graph end(const Queue& queue);

  void add(Queue& queue, Task task);
  // The stream goes on behind the event, which is captured; one that was in no capture comes into
  // the event's.
  static void join(Queue& queue, const Event& event);
  // Invalidates the capture, which then takes no more work, and throws.
  [[noreturn]] void refuse(Status status, const std::string& what);

  // Fault(CaptureInvalidated).
  void require_valid() const;
  bool valid() const { return state_ == State::Active; }
  bool ended() const { return state_ == State::Ended; }
  bool is_of_this_thread() const { return thread_ == std::this_thread::get_id(); }

 private:
  enum class State { Active, Invalidated, Ended };
  explicit Capture(Queue& origin) : origin_(&origin), streams_{&origin} {}
  bool is_joined() const;

  Queue* origin_;
  std::vector<Queue*> streams_;
  std::thread::id thread_ = std::this_thread::get_id();
  State state_ = State::Active;
  Graph graph_;
};

}  // namespace basin::emulated
