#include "kernels/graph.h"

#include "kernels/error.h"
#include "kernels/has_cuda.h"

namespace basin {

namespace cuda {  // graph.cu
std::shared_ptr<const CudaGraph> capture(const Stream& stream, const std::function<void()>& work);
void launch(const CudaGraph& graph, const Stream& stream);
int64_t nodes(const CudaGraph& graph);
}  // namespace cuda

Graph Graph::capture(const Stream& stream, const std::function<void()>& work) {
  Graph graph;
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      graph.graph_ = cuda::capture(stream, work);
      return graph;
    }
  }
  fail("[graph] capture", "found a CPU stream, expected a CUDA stream");
}

void Graph::launch(const Stream& stream) const {
  BASIN_CHECK(graph_ != nullptr, "[graph] launch", "found an empty graph");
  BASIN_CHECK(stream.is_cuda(), "[graph] launch", "found a CPU stream, expected a CUDA stream");
  if constexpr (kHasCuda) cuda::launch(*graph_, stream);
}

int64_t Graph::nodes() const {
  if constexpr (kHasCuda) {
    if (graph_ != nullptr) return cuda::nodes(*graph_);
  }
  return 0;
}

}  // namespace basin
