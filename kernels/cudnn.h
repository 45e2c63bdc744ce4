// A thin private wrapper of cuDNN's graph API: one pass of a convolution made a plan, which a call
// only runs. Choosing an engine and making its plan are the constructor's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/conv.h"
#include "kernels/stream.h"

namespace basin::cuda {

enum class ConvPass { Forward, BackwardData, BackwardFilter };
enum class ConvElement { Float, Bfloat16 };  // of x, w and y; sums are float

class ConvPlan {
 public:
  // Plans that fit, in the order of cuDNN's heuristics, at most `most` of each; with one, the first
  // of all. A plan fits where its engine keeps the inputs' precision (but for TF32, where the
  // stream allows it), sums in one order (but for ConvAlgorithm::Measured), is compiled already and
  // needs no more than kMostWorkspace. Error(Run) where there is none.
  static std::vector<ConvPlan> fitting(const Stream& stream, const ConvShape& shape, ConvPass pass,
                                       ConvElement element, ConvAlgorithm algorithm, size_t most);
  ~ConvPlan();
  ConvPlan(ConvPlan&&) noexcept;
  ConvPlan& operator=(ConvPlan&&) noexcept;

  static constexpr int64_t kMostWorkspace = int64_t{256} << 20;
  static constexpr int64_t kAlignment = 256;  // of the workspace: that of the runtime's memory

  int64_t workspace_bytes() const;
  std::string engine() const;  // "12", "7 winograd"
  // Puts the pass on the stream. It writes one of x, w and y: the place of its result.
  void run(const Stream& stream, const void* x, const void* w, const void* y,
           void* workspace) const;

 private:
  struct Parts;
  explicit ConvPlan(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace basin::cuda
