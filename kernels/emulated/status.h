// What can go wrong on the emulated device, apart from the runtime's own numbers for it.
#pragma once

#include <string>

namespace basin::emulated {

enum class Status {
  Success,
  InvalidValue,
  OutOfMemory,
  InvalidDevice,
  InvalidConfiguration,
  InvalidHandle,
  IllegalAddress,
  LaunchFailure,
  Unknown,
};

// Thrown inside the device; a runtime call turns it into its number and keeps the detail, which
// names the kernel or the argument.
struct Fault {
  Status status;
  std::string detail;
};

}  // namespace basin::emulated
