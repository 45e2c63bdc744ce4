// The runtime's functions on captures and graphs.
#include <cuda_runtime.h>

#include "kernels/emulated/call.h"

using namespace basin::emulated;

namespace {

Graph* graph_of(cudaGraph_t graph) {
  return reinterpret_cast<Graph*>(graph);
}
GraphExec* executable_of(cudaGraphExec_t graph) {
  return reinterpret_cast<GraphExec*>(graph);
}

}  // namespace

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return call("cudaStreamBeginCapture", [&] {
    require(mode == cudaStreamCaptureModeThreadLocal, "only thread-local captures are emulated");
    device().begin_capture(queue_of(stream));
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  return call("cudaStreamEndCapture", [&] {
    *graph = reinterpret_cast<cudaGraph_t>(device().end_capture(queue_of(stream)));
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return call("cudaStreamIsCapturing", [&] {
    const Capture* capture = device().capture_of(queue_of(stream));
    *status = capture == nullptr ? cudaStreamCaptureStatusNone
              : capture->valid() ? cudaStreamCaptureStatusActive
                                 : cudaStreamCaptureStatusInvalidated;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return call("cudaGraphGetNodes", [&] {
    device().graphs().require(graph_of(graph));
    require(nodes == nullptr, "only the number of nodes is emulated");
    *count = graph_of(graph)->nodes.size();
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long flags) {
  return call("cudaGraphInstantiate", [&] {
    require(flags == 0, "flags that are not emulated");
    *executable = reinterpret_cast<cudaGraphExec_t>(device().instantiate(graph_of(graph)));
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call("cudaGraphDestroy", [&] { device().graphs().remove(graph_of(graph)); });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream) {
  return call("cudaGraphUpload", [&] {
    device().executables().require(executable_of(executable));
    device().refuse_in_capture(queue_of(stream), "a graph's upload");
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return call("cudaGraphLaunch",
              [&] { device().launch(executable_of(executable), queue_of(stream)); });
}

// What has been launched still runs.
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return call("cudaGraphExecDestroy",
              [&] { device().executables().remove(executable_of(executable)); });
}

}  // extern "C"
