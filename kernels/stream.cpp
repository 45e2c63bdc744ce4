#include "kernels/stream.h"

#include <utility>

#include "kernels/error.h"
#include "kernels/has_cuda.h"

namespace basin {
namespace {

constexpr const char* kNotBuilt = "this build has no CUDA backend: configure with -DBASIN_CUDA=ON";

}  // namespace

Stream::Stream(DeviceKind kind, int index, int threads)
    : kind_(kind), index_(index), threads_(threads) {}

Stream Stream::cpu(int threads) {
  BASIN_CHECK(threads >= 1, "--threads", "found {}, expected 1 or more", threads);
  return Stream(DeviceKind::Cpu, 0, threads);
}

Stream Stream::cuda(int index, Tf32 tf32) {
  if constexpr (kHasCuda) {
    Stream stream(DeviceKind::Cuda, index, 1);
    stream.cuda_ = cuda::open_stream(index, tf32);
    return stream;
  }
  fail("--device cuda", "{}", kNotBuilt);
}

Stream Stream::beside() const {
  Stream side = *this;
  if constexpr (kHasCuda) {
    if (is_cuda()) side.cuda_ = cuda::stream_beside(*cuda_);
  }
  return side;
}

void Stream::synchronize() const {
  if constexpr (kHasCuda) {
    if (is_cuda()) cuda::synchronize(*cuda_);
  }
}

int cuda_device_count() {
  if constexpr (kHasCuda) return cuda::device_count();
  return 0;
}

std::string cuda_device_description(int index) {
  if constexpr (kHasCuda) return cuda::device_description(index);
  return kNotBuilt;
}

DeviceMemory device_memory([[maybe_unused]] const Stream& stream) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) return cuda::device_memory(stream.cuda_stream());
  }
  return {};
}

}  // namespace basin
