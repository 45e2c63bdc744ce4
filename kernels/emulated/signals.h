// The line that names the kernel where a fault of the processor ends the process.
#pragma once

#include <string>

#include "kernels/emulated/memory.h"

namespace basin::emulated {

// From now on an access that the device or its pinned memory forbids, or one that is not aligned
// where the build traps those, says what did it, on stderr, before the process ends as it would
// have.
void watch_signals(const Memory& device, const Memory& pinned);

// While one lives, `name` is what runs on the device.
class Running {
 public:
  explicit Running(const std::string& name);
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

// Whether the host has memory at the address.
bool is_mapped(const void* address);

}  // namespace basin::emulated
