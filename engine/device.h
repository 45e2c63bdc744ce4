// Names of devices, as the command line has them: cpu, cuda, cuda:N.
#pragma once

#include <string>

#include "kernels/stream.h"

namespace basin {

struct Device {
  DeviceKind kind = DeviceKind::Cpu;
  int index = 0;

  static Device cpu() { return {DeviceKind::Cpu, 0}; }
  static Device cuda(int index) { return {DeviceKind::Cuda, index}; }
  // "cpu", "cuda", "cuda:1"; anything else is an Error(Usage).
  static Device parse(const std::string& text);

  std::string name() const;
  // A stream of this device; `threads` counts on a CPU only, `tf32` on CUDA only: an Error(Usage).
  Stream stream(int threads, Tf32 tf32 = Tf32::No) const;
};

}  // namespace basin
