// The emulated device: streams that run only when something waits for them, events, kernels, and
// the faults that a test asks for. The runtime's functions (runtime.cu) are thin calls of this.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernels/emulated/capture.h"
#include "kernels/emulated/fibers.h"
#include "kernels/emulated/handles.h"
#include "kernels/emulated/launch.h"
#include "kernels/emulated/memory.h"
#include "kernels/emulated/queue.h"
#include "kernels/emulated/settings.h"
#include "kernels/emulated/status.h"

namespace basin::emulated {

// Few, and an odd number: a grid then has more work than threads.
inline constexpr int kMultiprocessors = 3;

// What the host has asked of the device so far.
struct Counts {
  int64_t kernels = 0;      // launched one by one
  int64_t others = 0;       // copies, fills and library calls, put on a stream one by one
  int64_t captures = 0;     // begun; what is captured is not counted
  int64_t graphs = 0;       // launched
  int64_t waits = 0;        // for a stream, an event, a pageable copy to the host, a free
  int64_t allocations = 0;  // of device and of pinned memory

  bool operator==(const Counts&) const = default;
  Counts operator-(const Counts& before) const {
    return {kernels - before.kernels, others - before.others, captures - before.captures,
            graphs - before.graphs,   waits - before.waits,   allocations - before.allocations};
  }
};

// What a host thread can still ask about its calls.
struct LastError {
  Status code = Status::Success;    // until it is taken
  Status failed = Status::Success;  // the last failure, for as long as its detail is not asked for
  std::string detail;
  std::string text;  // that was returned last
};

class Device {
 public:
  explicit Device(const Settings& settings);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Begins a runtime call: throws the sticky fault, or the one asked for at this call. A wait that
  // fails is taken to fail for what ran, as on a GPU: its fault sticks.
  void enter(const std::string& call);
  // Success where nothing has faulted.
  Status sticky() const { return faulted_ ? sticky_.status : Status::Success; }
  LastError& last_error() { return errors_[std::this_thread::get_id()]; }

  const Counts& counts() const { return counts_; }

  Memory& memory() { return memory_; }
  void* allocate(size_t bytes);
  // Waits for everything, as the runtime does, and frees.
  void release(void* data);

  // Host memory that the device reaches, so that a copy of it is read or written when it runs.
  Memory& pinned() { return pinned_; }
  void* allocate_pinned(size_t bytes);

  Queue* open_queue();
  // What is on it still runs, when something waits for anything.
  void close_queue(Queue* queue);
  // Behind what is on the stream; where the stream is captured, into the graph.
  void put(Queue* queue, Task task);
  void put(Queue* queue, Kernel kernel);

  Event* open_event();
  void close_event(Event* event);
  void record(Event* event, Queue* queue);
  void wait(Queue* queue, Event* event);

  // Runs tasks, from streams in a seeded order, until the stream is empty, or the event's mark is
  // reached. Throws the sticky fault.
  void finish(Queue* queue);
  void finish(Event* event);
  // Whether the mark is reached. A task may run meanwhile, so that asking again and again ends.
  bool is_reached(Event* event);

  void begin_capture(Queue* queue);
  Graph* end_capture(Queue* queue);
  // The capture that the stream is in, or null.
  const Capture* capture_of(Queue* queue) const;
  // Invalidate the captures of this thread, or of the stream, and throw, where there are some: for
  // calls that a capture forbids.
  void refuse_in_captures();
  void refuse_in_capture(Queue* queue, const std::string& what);

  Handles<Graph>& graphs() { return graphs_; }
  GraphExec* instantiate(const Graph* graph);
  void launch(GraphExec* graph, Queue* queue);
  Handles<GraphExec>& executables() { return executables_; }

 private:
  void require(const Queue* queue) const;
  void refuse_captured(const Event* event) const;
  void push(Queue* queue, Task task);
  // Fault(InvalidConfiguration) for what no device takes.
  static void check(const Kernel& kernel);
  void check_parameters(const Kernel& kernel) const;
  void stick(const Fault& fault);
  void run_until(const std::function<bool()>& done);
  void run(Task& task);
  void run(const Kernel& kernel);

  Settings settings_;
  Order order_;
  Memory memory_, pinned_;
  Memory::Window host_{pinned_};  // which the host always has
  BlockRunner runner_;
  Handles<Queue> queues_{"a stream"};
  std::vector<std::unique_ptr<Queue>> closed_;
  Handles<Event> events_{"an event"};
  std::vector<std::shared_ptr<Capture>> captures_;
  Handles<Graph> graphs_{"a graph"};
  Handles<GraphExec> executables_{"an executable graph"};
  Counts counts_;
  int64_t calls_ = 0, kernels_ = 0;
  bool faulted_ = false;
  Fault sticky_{};
  std::map<std::thread::id, LastError> errors_;
};

// The process's device, made at the first use from the environment's settings. Every use holds the
// lock.
Device& device();
std::recursive_mutex& device_lock();
// For tests: the counts of the process's device; "since then" is a difference of two.
Counts counts();
// For tests: a fresh device. Handles and memory of the old one are gone.
void reset_device(const Settings& settings);

}  // namespace basin::emulated
