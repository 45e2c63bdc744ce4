// The CUDA side of Graph.
#include "kernels/graph.h"

#include <utility>

#include "kernels/launch.cuh"

namespace basin {

struct CudaGraph {
  CudaGraph(cudaGraph_t graph, cudaStream_t stream) {
    size_t count = 0;
    BASIN_CUDA_CALL(cudaGraphGetNodes(graph, nullptr, &count));
    nodes = static_cast<int64_t>(count);
    BASIN_CUDA_CALL(cudaGraphInstantiate(&executable, graph, 0));
    const cudaError_t status = cudaGraphUpload(executable, stream);  // not in the first launch
    if (status != cudaSuccess) cudaGraphExecDestroy(executable);
    cuda::check(status, "cudaGraphUpload");
  }
  ~CudaGraph() { cudaGraphExecDestroy(executable); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  cudaGraphExec_t executable = nullptr;
  int64_t nodes = 0;
};

namespace cuda {
namespace {

// The stream's capture, which ends with it.
class Recording {
 public:
  explicit Recording(cudaStream_t stream) : stream_(stream) {
    // Other threads go on as ever: only this one may not make a call that a capture forbids.
    BASIN_CUDA_CALL(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  }
  ~Recording() {
    if (stream_ != nullptr) {  // after a throw, which says what is wrong
      cudaStreamEndCapture(stream_, &graph_);
      cudaGetLastError();
    }
    if (graph_ != nullptr) cudaGraphDestroy(graph_);
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  cudaGraph_t end() {
    BASIN_CUDA_CALL(cudaStreamEndCapture(std::exchange(stream_, nullptr), &graph_));
    return graph_;
  }

 private:
  cudaStream_t stream_;
  cudaGraph_t graph_ = nullptr;
};

}  // namespace

std::shared_ptr<const CudaGraph> capture(const Stream& stream, const std::function<void()>& work) {
  BASIN_CUDA_CALL(cudaSetDevice(stream.device_index()));
  Recording recording(stream.cuda_stream().stream);
  work();
  return std::make_shared<const CudaGraph>(recording.end(), stream.cuda_stream().stream);
}

void launch(const CudaGraph& graph, const Stream& stream) {
  BASIN_CUDA_CALL(cudaSetDevice(stream.device_index()));
  BASIN_CUDA_CALL(cudaGraphLaunch(graph.executable, stream.cuda_stream().stream));
}

int64_t nodes(const CudaGraph& graph) {
  return graph.nodes;
}

}  // namespace cuda
}  // namespace basin
