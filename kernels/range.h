// A named stretch of the host's time, for a profiler's timeline (NVTX). Costs a call where no
// profiler listens, and nothing in a build without CUDA.
#pragma once

namespace basin {

namespace cuda {  // range.cu
void push_range(const char* name);
void pop_range();
}  // namespace cuda

// From its making to its end. Ranges of a thread nest.
class [[nodiscard]] Range {
 public:
  explicit Range(const char* name);
  ~Range();
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

}  // namespace basin
