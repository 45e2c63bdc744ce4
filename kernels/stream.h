// Where work runs: a CPU with a number of threads, or a CUDA stream with its library handles.
// Every kernel takes one, and does its work in the order of the calls.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kernels/platform.h"

namespace basin {

enum class DeviceKind { Cpu, Cuda };

// Whether a GPU's tensor cores may multiply float32 with 10 bits of significand (TF32).
enum class Tf32 { No, Yes };

// The CUDA stream, its cuBLAS and cuDNN handles and the device's properties (stream.cu).
struct CudaStream;

class Stream {
 public:
  // threads >= 1: how many threads work inside one kernel.
  static Stream cpu(int threads);
  // The device's index; throws Error(Usage) in one line where there is no such device. `tf32` is
  // for the products and convolutions that run on the stream.
  static Stream cuda(int index, Tf32 tf32 = Tf32::No);

  DeviceKind kind() const { return kind_; }
  bool is_cuda() const { return kind_ == DeviceKind::Cuda; }
  int threads() const { return threads_; }
  int device_index() const { return index_; }
  CudaStream& cuda_stream() const { return *cuda_; }

  // Another stream of the device, with the same handles: for work that may run at the same time
  // (fork.h). This one outlives it. A CPU's is the stream itself.
  Stream beside() const;

  // Waits until everything that was put on the stream has run (at once on a CPU).
  void synchronize() const;

 private:
  Stream(DeviceKind kind, int index, int threads);

  DeviceKind kind_;
  int index_;
  int threads_;
  std::shared_ptr<CudaStream> cuda_;
};

// How many CUDA devices the driver reports: 0 without a driver, or in a CPU build. Never throws.
int cuda_device_count();
// "NVIDIA H100, compute capability 9.0, 80 GiB", or why there is no such usable device.
std::string cuda_device_description(int index);

// A device's memory in bytes, whoever has taken what is not free; a CPU's is not told: 0 and 0.
struct DeviceMemory {
  int64_t free = 0, total = 0;
};
DeviceMemory device_memory(const Stream& stream);

// The CUDA side of the above (stream.cu).
namespace cuda {
std::shared_ptr<CudaStream> open_stream(int index, Tf32 tf32);
std::shared_ptr<CudaStream> stream_beside(CudaStream& stream);
void synchronize(CudaStream& stream);
int device_count();
std::string device_description(int index);
DeviceMemory device_memory(const CudaStream& stream);
}  // namespace cuda

}  // namespace basin
