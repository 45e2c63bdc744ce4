#include "kernels/emulated/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>
#include <utility>

#include "kernels/emulated/signals.h"

namespace basin::emulated {
namespace {

constexpr int64_t kMaxBlocks = (int64_t{1} << 31) - 1;
constexpr size_t kMaxShared = 48 * 1024;
constexpr int64_t kPinned = int64_t{1} << 40;  // no less than the host has

std::unique_ptr<Device>& slot() {
  static std::unique_ptr<Device> device;
  return device;
}

}  // namespace

std::recursive_mutex& device_lock() {
  static std::recursive_mutex lock;
  return lock;
}

Device& device() {
  if (slot() == nullptr) slot() = std::make_unique<Device>(Settings::from_environment());
  return *slot();
}

Counts counts() {
  const std::lock_guard lock(device_lock());
  return device().counts();
}

void reset_device(const Settings& settings) {
  const std::lock_guard lock(device_lock());
  slot().reset();
  slot() = std::make_unique<Device>(settings);
}

Device::Device(const Settings& settings)
    : settings_(settings),
      order_(settings.seed),
      memory_(settings.memory, "buffer"),
      pinned_(kPinned, "pinned buffer") {
  watch_signals(memory_, pinned_);
}

void Device::enter(const std::string& call) {
  if (faulted_) throw sticky_;
  if (!settings_.fail_call.empty() && settings_.fail_call != call) return;
  if (++calls_ != settings_.fail_at) return;
  const bool allocates = call == "cudaMalloc" || call == "cudaHostAlloc";
  const Fault fault{allocates ? Status::OutOfMemory : Status::Unknown,
                    fmt::format("asked for: call {} fails", calls_)};
  if (call.ends_with("Synchronize")) stick(fault);
  throw fault;
}

void Device::stick(const Fault& fault) {
  faulted_ = true;
  sticky_ = fault;
  for (const auto* queues : {&queues_.all(), &std::as_const(closed_)}) {
    for (const auto& queue : *queues) queue->tasks.clear();
  }
}

void* Device::allocate(size_t bytes) {
  ++counts_.allocations;
  return memory_.allocate(bytes);
}

void* Device::allocate_pinned(size_t bytes) {
  ++counts_.allocations;
  return pinned_.allocate(bytes);
}

void Device::release(void* data) {
  ++counts_.waits;
  const auto idle = [](const auto& queues) {
    return std::all_of(queues.begin(), queues.end(),
                       [](const auto& q) { return q->tasks.empty(); });
  };
  run_until([&] { return idle(queues_.all()) && idle(closed_); });
  memory_.release(data);
}

Queue* Device::open_queue() {
  return queues_.add(std::make_unique<Queue>());
}

void Device::close_queue(Queue* queue) {
  refuse_in_capture(queue, "the stream is being captured");
  closed_.push_back(queues_.remove(queue));
}

Event* Device::open_event() {
  return events_.add(std::make_unique<Event>());
}

void Device::close_event(Event* event) {
  events_.remove(event);
}

void Device::require(const Queue* queue) const {
  if (queue == nullptr) throw Fault{Status::InvalidHandle, "the default stream is not emulated"};
  queues_.require(queue);
}

void Device::put(Queue* queue, Task task) {
  require(queue);
  if (queue->captured.capture == nullptr) ++counts_.others;
  push(queue, std::move(task));
}

void Device::push(Queue* queue, Task task) {
  if (queue->captured.capture != nullptr) {
    queue->captured.capture->add(*queue, std::move(task));
  } else {
    queue->tasks.push_back(std::move(task));
  }
}

void Device::check(const Kernel& kernel) {
  const auto refuse = [&](const std::string& what) {
    throw Fault{Status::InvalidConfiguration, what};  // the launcher names the kernel
  };
  if (kernel.blocks < 1 || kernel.blocks > kMaxBlocks) {
    refuse(fmt::format("a grid of {} blocks", kernel.blocks));
  }
  if (kernel.threads < 1 || kernel.threads > kMaxThreads || kernel.threads % kWarpSize != 0) {
    refuse(fmt::format("a block of {} threads", kernel.threads));
  }
  if (kernel.shared_bytes > kMaxShared) {
    refuse(fmt::format("{} bytes of shared memory", kernel.shared_bytes));
  }
}

void Device::put(Queue* queue, Kernel kernel) {
  require(queue);
  check(kernel);
  if (queue->captured.capture == nullptr) ++counts_.kernels;
  const std::string name = kernel.name;
  push(queue, Task{name, [this, kernel = std::move(kernel)] { run(kernel); }, nullptr});
}

void Device::record(Event* event, Queue* queue) {
  events_.require(event);
  require(queue);
  if (queue->captured.capture != nullptr) queue->captured.capture->require_valid();
  event->mark = nullptr;
  event->captured = queue->captured;
  if (queue->captured.capture != nullptr) return;
  event->mark = std::make_shared<Mark>();
  push(queue, Task{"event", [mark = event->mark] { mark->reached = true; }, nullptr});
}

void Device::wait(Queue* queue, Event* event) {
  events_.require(event);
  require(queue);
  if (event->captured.capture != nullptr) return Capture::join(*queue, *event);
  if (event->mark == nullptr) return;  // never recorded
  if (queue->captured.capture != nullptr) {
    queue->captured.capture->refuse(Status::CaptureIsolation, "the event is of no capture");
  }
  push(queue, Task{"wait", [] {}, event->mark});
}

void Device::finish(Queue* queue) {
  refuse_in_capture(queue, "the stream is being captured");
  ++counts_.waits;
  run_until([&] { return queue->tasks.empty(); });
}

void Device::finish(Event* event) {
  refuse_captured(event);
  ++counts_.waits;
  if (event->mark == nullptr) return;
  run_until([mark = event->mark] { return mark->reached; });
}

bool Device::is_reached(Event* event) {
  refuse_captured(event);
  if (event->mark == nullptr) return true;
  bool time_is_over = order_.below(2) == 0;
  run_until([&] { return event->mark->reached || std::exchange(time_is_over, true); });
  return event->mark->reached;
}

void Device::run_until(const std::function<bool()>& done) {
  const Memory::Window open(memory_);
  while (!faulted_ && !done()) {
    std::vector<Queue*> ready;
    for (const auto* queues : {&queues_.all(), &std::as_const(closed_)}) {
      for (const auto& queue : *queues) {
        if (queue->tasks.empty()) continue;
        const Task& first = queue->tasks.front();
        if (first.after == nullptr || first.after->reached) ready.push_back(queue.get());
      }
    }
    // A wait follows the record that it waits for, so there is always a stream that can go on.
    Queue& queue = *ready.at(order_.below(static_cast<uint32_t>(ready.size())));
    Task task = std::move(queue.tasks.front());
    queue.tasks.pop_front();
    run(task);
  }
  std::erase_if(closed_, [](const auto& queue) { return queue->tasks.empty(); });
  if (faulted_) throw sticky_;
}

void Device::run(Task& task) {
  const auto require_intact = [](const Memory& memory, const char* who) {
    const std::string damage = memory.damage();
    if (!damage.empty()) throw Fault{Status::IllegalAddress, who + damage};
  };
  try {
    const Running running(task.name);
    require_intact(pinned_, "before it, the host ");
    task.run();
    require_intact(memory_, "");
    require_intact(pinned_, "");
  } catch (const Fault& fault) {
    // An argument was checked with the call: one that is wrong by now is an address.
    const bool late = fault.status == Status::InvalidValue;
    stick({late ? Status::IllegalAddress : fault.status,
           fmt::format("{}: {}", task.name, fault.detail)});
  }
}

void Device::check_parameters(const Kernel& kernel) const {
  for (size_t i = 0; i < kernel.pointers.size(); ++i) {
    for (const void* pointer : kernel.pointers[i]) {
      if (!memory_.owns(pointer) && !pinned_.owns(pointer) && is_mapped(pointer)) {
        throw Fault{Status::IllegalAddress,
                    fmt::format("parameter {} points to host memory", i + 1)};
      }
    }
  }
}

void Device::run(const Kernel& kernel) {
  if (++kernels_ == settings_.fault_at) {
    throw Fault{Status::LaunchFailure, fmt::format("asked for: kernel {} faults", kernels_)};
  }
  check_parameters(kernel);
  std::vector<int64_t> ranks(static_cast<size_t>(kernel.blocks));
  std::iota(ranks.begin(), ranks.end(), 0);
  for (size_t i = ranks.size(); i > 1; --i) {
    std::swap(ranks[i - 1], ranks[order_.below(static_cast<uint32_t>(i))]);
  }
  const std::align_val_t alignment{kernel.shared_alignment};
  void* shared = ::operator new(kernel.shared_bytes, alignment);
  const std::unique_ptr<void, std::function<void(void*)>> owner(
      shared, [&](void* p) { ::operator delete(p, alignment); });
  for (const int64_t rank : ranks) {
    std::memset(shared, 0xff, kernel.shared_bytes);
    runner_.run(order_, rank, kernel.blocks, kernel.threads,
                [&](FiberBlock& block) { kernel.body(block, shared); });
  }
}

}  // namespace basin::emulated
