// The emulated device: streams that run only when something waits for them, events, kernels, and
// the faults that a test asks for. The runtime's functions (runtime.cu) are thin calls of this.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernels/emulated/fibers.h"
#include "kernels/emulated/launch.h"
#include "kernels/emulated/memory.h"
#include "kernels/emulated/settings.h"
#include "kernels/emulated/status.h"

namespace basin::emulated {

// What an event marks: the place in a stream at which it was recorded last.
struct Mark {
  bool reached = false;
};
struct Event {
  std::shared_ptr<Mark> mark;
};

// Few, and an odd number: a grid then has more work than threads.
inline constexpr int kMultiprocessors = 3;
inline constexpr int kMaxThreads = 1024;  // of a block

struct Task {
  std::string name;
  std::function<void()> run;
  std::shared_ptr<Mark> after;  // not before this is reached; may be null
};
struct Queue {
  std::deque<Task> tasks;
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

  Memory& memory() { return memory_; }
  // Waits for everything, as the runtime does, and frees.
  void release(void* data);

  Queue* open_queue();
  // What is on it still runs, when something waits for anything.
  void close_queue(Queue* queue);
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

 private:
  void require(const Queue* queue) const;
  void require(const Event* event) const;
  // Fault(InvalidConfiguration) for what no device takes.
  static void check(const Kernel& kernel);
  void check_parameters(const Kernel& kernel) const;
  void stick(const Fault& fault);
  void run_until(const std::function<bool()>& done);
  void run(Task& task);
  void run(const Kernel& kernel);

  Settings settings_;
  Order order_;
  Memory memory_;
  BlockRunner runner_;
  std::vector<std::unique_ptr<Queue>> open_, closed_;
  std::vector<std::unique_ptr<Event>> events_;
  int64_t calls_ = 0, kernels_ = 0;
  bool faulted_ = false;
  Fault sticky_{};
  std::map<std::thread::id, LastError> errors_;
};

// The process's device, made at the first use from the environment's settings. Every use holds the
// lock.
Device& device();
std::recursive_mutex& device_lock();
// For tests: a fresh device. Handles and memory of the old one are gone.
void reset_device(const Settings& settings);

}  // namespace basin::emulated
