// What can go wrong on the emulated device.
#pragma once

#include <string>

namespace basin::emulated {

// Each has the runtime's own number (runtime.cu asserts it).
enum class Status {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  InvalidConfiguration = 9,
  InvalidDevice = 101,
  InvalidHandle = 400,
  IllegalState = 401,
  NotReady = 600,
  IllegalAddress = 700,
  LaunchFailure = 719,
  CaptureUnsupported = 900,
  CaptureInvalidated = 901,
  CaptureMerge = 902,
  CaptureUnmatched = 903,
  CaptureUnjoined = 904,
  CaptureIsolation = 905,
  CapturedEvent = 907,
  CaptureWrongThread = 908,
  Unknown = 999,
};

// Thrown inside the device; a runtime call turns it into its number and keeps the detail, which
// names the kernel or the argument.
struct Fault {
  Status status;
  std::string detail;
};

}  // namespace basin::emulated
