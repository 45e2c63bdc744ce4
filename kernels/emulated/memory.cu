// The runtime's functions on memory: allocation on the device and of pinned memory, copies, fills.
#include <cuda_runtime.h>

#include <cstring>
#include <memory>
#include <vector>

#include "kernels/emulated/call.h"

using namespace basin::emulated;

extern "C" {

cudaError_t cudaMalloc(void** data, size_t bytes) {
  return call_outside_captures("cudaMalloc", [&] { *data = device().allocate(bytes); });
}

cudaError_t cudaFree(void* data) {
  return call_outside_captures("cudaFree", [&] {
    if (data != nullptr) device().release(data);
  });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call("cudaMemGetInfo", [&] {
    *free = static_cast<size_t>(device().memory().free());
    *total = static_cast<size_t>(device().memory().capacity());
  });
}

cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned flags) {
  return call_outside_captures("cudaHostAlloc", [&] {
    require(flags == cudaHostAllocDefault, "flags that are not emulated");
    *data = device().allocate_pinned(bytes);
  });
}

// Waits for nothing, as the runtime does not say that it does: a copy that comes later faults.
cudaError_t cudaFreeHost(void* data) {
  return call_outside_captures("cudaFreeHost", [&] {
    if (data != nullptr) device().pinned().release(data);
  });
}

cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream) {
  return call("cudaMemsetAsync", [&] {
    require_side(true, data, bytes, "data");
    device().put(queue_of(stream), Task{"cudaMemsetAsync",
                                        [=] {
                                          require_side(true, data, bytes, "data");
                                          std::memset(data, value, bytes);
                                        },
                                        nullptr});
  });
}

// Pinned memory is read or written when the copy runs. Pageable memory is read at the call, into a
// stage of the driver's, and written before the call returns, which waits for it.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call("cudaMemcpyAsync", [&] {
    const bool from_host = kind == cudaMemcpyHostToDevice, to_host = kind == cudaMemcpyDeviceToHost;
    require(from_host || to_host || kind == cudaMemcpyDeviceToDevice,
            "a kind of copy that is not emulated");
    const auto check = [=] {
      require_side(!to_host, to, bytes, "destination");
      require_side(!from_host, from, bytes, "source");
    };
    check();
    Queue* queue = queue_of(stream);
    const bool pageable = (from_host || to_host) && !device().pinned().owns(from_host ? from : to);
    if (pageable) device().refuse_in_capture(queue, "a copy of pageable host memory");
    std::shared_ptr<std::vector<std::byte>> stage;
    if (pageable && from_host) {
      const auto* begin = static_cast<const std::byte*>(from);
      stage = std::make_shared<std::vector<std::byte>>(begin, begin + bytes);
    }
    device().put(queue, Task{"cudaMemcpyAsync",
                             [=] {
                               check();
                               std::memcpy(to, stage != nullptr ? stage->data() : from, bytes);
                             },
                             nullptr});
    if (pageable && to_host) device().finish(queue);
  });
}

}  // extern "C"
