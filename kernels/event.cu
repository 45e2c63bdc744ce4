// The CUDA side of Event.
#include "kernels/event.h"

#include "kernels/launch.cuh"

namespace basin {

struct CudaEvent {
  CudaEvent() { BASIN_CUDA_CALL(cudaEventCreateWithFlags(&event, cudaEventDisableTiming)); }
  ~CudaEvent() { cudaEventDestroy(event); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  cudaEvent_t event = nullptr;
};

namespace cuda {

std::shared_ptr<CudaEvent> open_event(const Stream& stream) {
  BASIN_CUDA_CALL(cudaSetDevice(stream.device_index()));
  return std::make_shared<CudaEvent>();
}

void record(const CudaEvent& event, const Stream& stream) {
  BASIN_CUDA_CALL(cudaEventRecord(event.event, stream.cuda_stream().stream));
}

void wait(const CudaEvent& event) {
  BASIN_CUDA_CALL(cudaEventSynchronize(event.event));
}

bool is_done(const CudaEvent& event) {
  const cudaError_t status = cudaEventQuery(event.event);
  if (status == cudaErrorNotReady) {
    cudaGetLastError();  // an answer, which the runtime keeps as an error
    return false;
  }
  check(status, "cudaEventQuery");
  return true;
}

void make_wait(const CudaEvent& event, const Stream& stream) {
  BASIN_CUDA_CALL(
      cudaStreamWaitEvent(stream.cuda_stream().stream, event.event, cudaEventWaitDefault));
}

}  // namespace cuda
}  // namespace basin
