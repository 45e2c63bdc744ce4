#include "kernels/conv_choice.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <tuple>

#include "kernels/graph.h"
#include "kernels/launch.cuh"

namespace basin {

struct ConvPlans {
  using Key = std::tuple<std::string, cuda::ConvPass, cuda::ConvElement, ConvAlgorithm>;
  std::map<Key, std::shared_ptr<const cuda::ConvPlan>> chosen;
};

namespace cuda {
namespace {

// Device memory for a measurement: of no particular values, but not of zeros, on which a
// multiplier draws less power and the clock is higher.
class Operand {
 public:
  Operand(const Stream& stream, int64_t bytes) {
    if (bytes == 0) return;
    BASIN_CUDA_CALL(cudaMalloc(&data_, static_cast<size_t>(bytes)));
    BASIN_CUDA_CALL(cudaMemsetAsync(data_, 0x3f, static_cast<size_t>(bytes),  // about 0.75
                                    stream.cuda_stream().stream));
  }
  ~Operand() { cudaFree(data_); }
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;
  void* get() const { return data_; }

 private:
  void* data_ = nullptr;
};

// Seconds of a run, of several in a graph, whose launches do not count; the least of some rounds
// where the first comes near the best so far.
double seconds_of(const Stream& stream, const ConvPlan& plan, const Operand (&operands)[3],
                  double best) {
  constexpr int kRuns = 5, kRounds = 3;
  const Operand workspace(stream, plan.workspace_bytes());
  const auto run = [&] {
    plan.run(stream, operands[0].get(), operands[1].get(), operands[2].get(), workspace.get());
  };
  run();  // the library loads its kernels
  stream.synchronize();
  const Graph graph = Graph::capture(stream, [&] {
    for (int i = 0; i < kRuns; ++i) run();
  });
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    graph.launch(stream);
    stream.synchronize();
    const std::chrono::duration<double> all = std::chrono::steady_clock::now() - start;
    least = std::min(least, all.count() / kRuns);
    if (least > 1.3 * best) break;
  }
  return least;
}

ConvPlan fastest(const Stream& stream, const ConvShape& shape, ConvElement element,
                 std::vector<ConvPlan> plans) {
  const int64_t size = element == ConvElement::Float ? 4 : 2;
  const Operand operands[] = {{stream, size * shape.input_size()},
                              {stream, size * shape.weight_size()},
                              {stream, size * shape.output_size()}};
  size_t chosen = 0;
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < plans.size(); ++i) {
    const double seconds = seconds_of(stream, plans[i], operands, best);
    if (seconds >= best) continue;
    best = seconds;
    chosen = i;
  }
  return std::move(plans[chosen]);
}

}  // namespace

std::shared_ptr<const ConvPlan> conv_plan(const Stream& stream, const ConvShape& shape,
                                          ConvPass pass, ConvElement element,
                                          ConvAlgorithm algorithm) {
  std::shared_ptr<ConvPlans>& plans = stream.cuda_stream().conv_plans;
  if (plans == nullptr) plans = std::make_shared<ConvPlans>();
  std::shared_ptr<const ConvPlan>& plan =
      plans->chosen[{to_string(shape), pass, element, algorithm}];
  if (plan != nullptr) return plan;
  constexpr size_t kTried = 12;  // of each heuristic
  auto all = ConvPlan::fitting(stream, shape, pass, element, algorithm,
                               algorithm == ConvAlgorithm::Measured ? kTried : 1);
  plan = std::make_shared<const ConvPlan>(
      all.size() == 1 ? std::move(all[0]) : fastest(stream, shape, element, std::move(all)));
  return plan;
}

}  // namespace cuda
}  // namespace basin
