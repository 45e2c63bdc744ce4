// How a function with a signature of CUDA's, or of one of its libraries', calls the device.
#pragma once

#include <fmt/core.h>

#include <mutex>

#include "kernels/emulated/device.h"

namespace basin::emulated {

// Runs one call, under the device's lock. The Fault that `action` threw, or one that is none.
template <class Action>
Fault attempt(const char* name, const Action& action) {
  const std::lock_guard lock(device_lock());
  try {
    device().enter(name);
    action();
    return {Status::Success, ""};
  } catch (const Fault& fault) {
    return fault;
  }
}

// What a runtime call returns: it becomes the runtime's own enumeration.
struct Result {
  Status status;
  template <class Code>
  operator Code() const {
    return static_cast<Code>(status);
  }
};

// Runs one call of the runtime; what went wrong is its last error, too.
template <class Action>
Result call(const char* name, const Action& action) {
  const std::lock_guard lock(device_lock());
  const Fault fault = attempt(name, action);
  if (fault.status != Status::Success) {
    LastError& last = device().last_error();
    last.code = last.failed = fault.status;
    last.detail = fault.detail;
  }
  return {fault.status};
}

// The same for one that no thread may make while it captures: it waits, or may do so.
template <class Action>
Result call_outside_captures(const char* name, const Action& action) {
  return call(name, [&] {
    device().refuse_in_captures();
    action();
  });
}

// A stream's or an event's handle is its address.
inline Queue* queue_of(void* stream) {
  return static_cast<Queue*>(stream);
}
inline Event* event_of(void* event) {
  return static_cast<Event*>(event);
}

inline void require(bool condition, const char* what) {
  if (!condition) throw Fault{Status::InvalidValue, what};
}

// [data, data + bytes) lies on the side where it is expected.
inline void require_side(bool on_device, const void* data, size_t bytes, const char* what) {
  const Memory &memory = device().memory(), &pinned = device().pinned();
  if (on_device) {
    memory.require(data, bytes, what);
  } else if (pinned.owns(data)) {
    pinned.require(data, bytes, what);
  } else if (memory.owns(data)) {
    throw Fault{Status::InvalidValue, fmt::format("{}, {} bytes: expected host memory, found {}",
                                                  what, bytes, memory.describe(data))};
  }
}

}  // namespace basin::emulated
