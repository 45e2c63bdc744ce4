#include "tools/chunk_choice.h"

#include <algorithm>

#include "kernels/elementwise.h"
#include "tools/stopwatch.h"
#include "tools/train_state.h"

namespace basin {
namespace {

constexpr double kBudget = 0.35;   // seconds, after which no other chunk is begun
constexpr double kClearly = 0.97;  // of the first one's cost
constexpr int kRepeats = 2;

// Of one gradient with a chunk for each thread, per example: the best of a few.
ChunkCost cost_of(const Stream& stream, const ModelOptions& network, DType dtype,
                  StepOptions options, int64_t chunk) {
  options.chunk = chunk;
  options.batch = chunk * options.threads;
  TrainState state(stream, network, dtype, options, 0);
  Arena gradient = state.weights.sibling(stream);
  const Buffer images(stream,
                      options.batch * network.h * network.w * network.c * dtype_size(dtype));
  zero(stream, images.data(), images.bytes());
  const std::vector<int32_t> labels(options.batch, 0);
  state.replay->bind(images.data(), labels.data());
  double best = 0;
  for (int i = 0; i <= kRepeats; ++i) {
    const Stopwatch watch;
    state.replay->differentiate(state.weights, gradient, Track::No);
    const double seconds = watch.seconds();
    if (i == 1 || (i > 1 && seconds < best)) best = seconds;
  }
  return {chunk, 1e3 * best / static_cast<double>(chunk)};
}

}  // namespace

int64_t cheapest_chunk(const std::vector<ChunkCost>& costs) {
  const auto best =
      std::min_element(costs.begin(), costs.end(), [](auto& a, auto& b) { return a.ms < b.ms; });
  return best->ms < kClearly * costs.front().ms ? best->chunk : costs.front().chunk;
}

std::string choose_chunk(const Stream& stream, const ModelOptions& network, DType dtype,
                         StepOptions& options) {
  if (options.chunk != kMeasuredChunk) return "";
  options.chunk = 0;
  if (stream.is_cuda()) return "the batch is whole, on CUDA";
  if (make_model(network).batch_norm == HasBatchNorm::Yes) {
    return "the batch is whole: batch norm needs it so";
  }
  const Stopwatch watch;
  std::vector<ChunkCost> costs;
  for (const int64_t chunk : {16, 32, 8, 64}) {
    if (!costs.empty() &&
        (chunk > ceil_div<int64_t>(options.batch, options.threads) || watch.seconds() > kBudget)) {
      continue;
    }
    costs.push_back(cost_of(stream, network, dtype, options, chunk));
  }
  options.chunk = cheapest_chunk(costs);
  std::string line = fmt::format("chunks of {}; ms an example and thread:", options.chunk);
  for (const ChunkCost& cost : costs) line += fmt::format(" {}: {:.3f},", cost.chunk, cost.ms);
  return line + fmt::format(" measured in {:.2f} s", watch.seconds());
}

}  // namespace basin
