// The runtime's functions that Basin calls, with their signatures from CUDA's headers, on the
// emulated device. The linker names one that is missing here.
#include <cuda_runtime.h>
#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "kernels/emulated/device.h"
#include "kernels/error.h"

namespace basin::emulated {
namespace {

struct Named {
  cudaError_t code;
  const char *name, *text;
};
// In the order of Status.
constexpr Named kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

const Named& named(Status status) {
  return kErrors[static_cast<int>(status)];
}

// Runs one runtime call: `action` throws a Fault where it fails.
template <class Action>
cudaError_t call(const char* name, const Action& action) {
  const std::lock_guard lock(device_lock());
  try {
    device().enter(name);
    action();
    return cudaSuccess;
  } catch (const Fault& fault) {
    LastError& last = device().last_error();
    last.code = last.failed = fault.status;
    last.detail = fault.detail;
    return named(fault.status).code;
  }
}

void require(bool condition, const char* what) {
  if (!condition) throw Fault{Status::InvalidValue, what};
}
void require_device(int index) {
  if (index != 0) throw Fault{Status::InvalidDevice, fmt::format("found {}, expected 0", index)};
}
Queue* queue_of(cudaStream_t stream) {
  return reinterpret_cast<Queue*>(stream);
}
Event* event_of(cudaEvent_t event) {
  return reinterpret_cast<Event*>(event);
}

// One side of a copy lies where its kind says.
void require_side(bool on_device, const void* data, size_t bytes, const char* what) {
  const Memory& memory = device().memory();
  if (on_device) {
    memory.require(data, bytes, what);
  } else if (memory.owns(data)) {
    throw Fault{Status::InvalidValue, fmt::format("{}, {} bytes: expected host memory, found {}",
                                                  what, bytes, memory.describe(data))};
  }
}

}  // namespace

void launch(void* stream, Kernel kernel) {
  call("cudaLaunchKernel", [&] { device().put(static_cast<Queue*>(stream), std::move(kernel)); });
}

}  // namespace basin::emulated

using namespace basin::emulated;

extern "C" {

cudaError_t cudaGetLastError() {
  const std::lock_guard lock(device_lock());
  const Status last = std::exchange(device().last_error().code, Status::Success);
  const Status sticky = device().sticky();
  return named(sticky == Status::Success ? last : sticky).code;
}

const char* cudaGetErrorName(cudaError_t code) {
  for (const Named& error : kErrors) {
    if (error.code == code) return error.name;
  }
  return "cudaErrorUnknown";
}

const char* cudaGetErrorString(cudaError_t code) {
  const std::lock_guard lock(device_lock());
  LastError& last = device().last_error();
  last.text = "an error that is not emulated";
  for (const Named& error : kErrors) {
    if (error.code == code) last.text = error.text;
  }
  if (named(last.failed).code == code && !last.detail.empty()) last.text += ": " + last.detail;
  last.detail.clear();
  return last.text.c_str();
}

cudaError_t cudaGetDeviceCount(int* count) {
  return call("cudaGetDeviceCount", [&] { *count = 1; });
}

cudaError_t cudaSetDevice(int index) {
  return call("cudaSetDevice", [&] { require_device(index); });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int index) {
  return call("cudaGetDeviceProperties", [&] {
    require_device(index);
    std::memset(properties, 0, sizeof(*properties));
    std::strcpy(properties->name, "emulated device");
    properties->major = 8;
    properties->totalGlobalMem = device().memory().capacity();
    properties->multiProcessorCount = kMultiprocessors;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int index) {
  return call("cudaDeviceGetAttribute", [&] {
    require_device(index);
    require(attribute == cudaDevAttrMultiProcessorCount, "an attribute that is not emulated");
    *value = kMultiprocessors;
  });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  return call("cudaFuncGetAttributes", [&] {
    require(function != nullptr, "no function");
    std::memset(attributes, 0, sizeof(*attributes));
    attributes->maxThreadsPerBlock = kMaxThreads;
  });
}

cudaError_t cudaMalloc(void** data, size_t bytes) {
  return call("cudaMalloc", [&] { *data = device().memory().allocate(bytes); });
}

cudaError_t cudaFree(void* data) {
  return call("cudaFree", [&] {
    if (data != nullptr) device().release(data);
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

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call("cudaMemcpyAsync", [&] {
    require(kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToHost ||
                kind == cudaMemcpyDeviceToDevice,
            "a kind of copy that is not emulated");
    const auto check = [=] {
      require_side(kind != cudaMemcpyDeviceToHost, to, bytes, "destination");
      require_side(kind != cudaMemcpyHostToDevice, from, bytes, "source");
    };
    check();
    device().put(queue_of(stream), Task{"cudaMemcpyAsync",
                                        [=] {
                                          check();
                                          std::memcpy(to, from, bytes);
                                        },
                                        nullptr});
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call("cudaStreamCreateWithFlags", [&] {
    require(flags == cudaStreamNonBlocking, "only non-blocking streams are emulated");
    *stream = reinterpret_cast<cudaStream_t>(device().open_queue());
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call("cudaStreamDestroy", [&] { device().close_queue(queue_of(stream)); });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call("cudaStreamSynchronize", [&] { device().finish(queue_of(stream)); });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  return call("cudaStreamWaitEvent", [&] {
    require(flags == cudaEventWaitDefault, "flags that are not emulated");
    device().wait(queue_of(stream), event_of(event));
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call("cudaEventCreateWithFlags", [&] {
    require(flags == cudaEventDisableTiming, "only events without times are emulated");
    *event = reinterpret_cast<cudaEvent_t>(device().open_event());
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call("cudaEventRecord", [&] { device().record(event_of(event), queue_of(stream)); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call("cudaEventSynchronize", [&] { device().finish(event_of(event)); });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call("cudaEventDestroy", [&] { device().close_event(event_of(event)); });
}

}  // extern "C"
