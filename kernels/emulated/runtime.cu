// The runtime's functions that Basin calls, with their signatures from CUDA's headers, on the
// emulated device: errors, devices, streams and events. memory.cu and graphs.cu have the others.
// The linker names one that is missing.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/emulated/call.h"

namespace basin::emulated {
namespace {

struct Named {
  Status status;
  cudaError_t code;
  const char *name, *text;
};
constexpr Named kErrors[] = {
    {Status::Success, cudaSuccess, "cudaSuccess", "no error"},
    {Status::InvalidValue, cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {Status::OutOfMemory, cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {Status::InvalidConfiguration, cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {Status::InvalidDevice, cudaErrorInvalidDevice, "cudaErrorInvalidDevice",
     "invalid device ordinal"},
    {Status::InvalidHandle, cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle",
     "invalid resource handle"},
    {Status::IllegalState, cudaErrorIllegalState, "cudaErrorIllegalState",
     "the operation cannot be performed in the present state"},
    {Status::NotReady, cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {Status::IllegalAddress, cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {Status::LaunchFailure, cudaErrorLaunchFailure, "cudaErrorLaunchFailure",
     "unspecified launch failure"},
    {Status::CaptureUnsupported, cudaErrorStreamCaptureUnsupported,
     "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"},
    {Status::CaptureInvalidated, cudaErrorStreamCaptureInvalidated,
     "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {Status::CaptureMerge, cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
     "operation would result in a merge of separate capture sequences"},
    {Status::CaptureUnmatched, cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
     "capture was not ended in the same stream as it began"},
    {Status::CaptureUnjoined, cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined",
     "capturing stream has unjoined work"},
    {Status::CaptureIsolation, cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {Status::CapturedEvent, cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
    {Status::CaptureWrongThread, cudaErrorStreamCaptureWrongThread,
     "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {Status::Unknown, cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};
static_assert(std::ranges::all_of(kErrors, [](const Named& error) {
  return static_cast<int>(error.status) == static_cast<int>(error.code);
}));

// Null for a number that is not emulated.
const Named* named(cudaError_t code) {
  const Named* error = std::ranges::find(kErrors, code, &Named::code);
  return error == std::end(kErrors) ? nullptr : error;
}

void require_device(int index) {
  if (index != 0) throw Fault{Status::InvalidDevice, fmt::format("found {}, expected 0", index)};
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
  return Result{sticky == Status::Success ? last : sticky};
}

const char* cudaGetErrorName(cudaError_t code) {
  const Named* error = named(code);
  return error != nullptr ? error->name : "cudaErrorUnknown";
}

const char* cudaGetErrorString(cudaError_t code) {
  const std::lock_guard lock(device_lock());
  LastError& last = device().last_error();
  const Named* error = named(code);
  last.text = error != nullptr ? error->text : "an error that is not emulated";
  if (error != nullptr && error->status == last.failed && !last.detail.empty()) {
    last.text += ": " + last.detail;
  }
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
  return call_outside_captures("cudaStreamSynchronize", [&] { device().finish(queue_of(stream)); });
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
  return call_outside_captures("cudaEventSynchronize", [&] { device().finish(event_of(event)); });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call_outside_captures("cudaEventQuery", [&] {
    if (!device().is_reached(event_of(event))) throw Fault{Status::NotReady, "ask again"};
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call("cudaEventDestroy", [&] { device().close_event(event_of(event)); });
}

}  // extern "C"
