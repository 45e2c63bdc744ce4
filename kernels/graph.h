// Work on a CUDA stream, recorded once and launched as one unit many times.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "kernels/stream.h"

namespace basin {

struct CudaGraph;  // graph.cu

// It holds kernels with their parameters, and copies with their addresses: the memory has to live
// as long as the graph is launched, and what changes from launch to launch lies in memory.
class Graph {
 public:
  Graph() = default;  // an empty one, which cannot be launched
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  // Records what `work` puts on the stream; nothing of it runs. Work on another stream belongs to
  // it if that stream waits for an event of this one, and this one, at last, for an event of that.
  // `work` must not wait, allocate or free, nor copy from or to memory that is not pinned. What it
  // throws ends the capture and passes on. Error(Usage) on a CPU, whose work is no stream's.
  static Graph capture(const Stream& stream, const std::function<void()>& work);

  void launch(const Stream& stream) const;
  explicit operator bool() const { return graph_ != nullptr; }
  // How many kernels, copies and fills it has.
  int64_t nodes() const;

 private:
  std::shared_ptr<const CudaGraph> graph_;
};

}  // namespace basin
