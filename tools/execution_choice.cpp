#include "tools/execution_choice.h"

#include <algorithm>

#include "engine/group_plan.h"
#include "kernels/elementwise.h"
#include "models/init.h"
#include "tools/stopwatch.h"
#include "tools/train_state.h"

namespace basin {
namespace {

constexpr double kMebibyte = 1 << 20;

struct Candidate {
  ExecutionChoice execution;
  double mebibytes = 0, ms = 0;
  double spared = 0;     // of the parameters, the part that no group has of its own
  std::string obstacle;  // why it is not to be
};

// Where ghosts spare less than half of the parameters, they cost more than they save.
constexpr double kSpared = 0.5;

Candidate planned(const Stream& stream, const ModelOptions& network, DType dtype,
                  StepOptions options, ExecutionChoice execution) {
  Candidate candidate{.execution = execution, .obstacle = {}};
  options.execution = execution;
  const Model model = make_model(network);
  const auto optimizer = make_optimizer(stream, model.parameters, dtype, options.optimizer);
  const Arena weights(stream, model.parameters, dtype);
  Arena running;
  if (model.buffers) running = Arena(stream, model.buffers, dtype);
  const ReplayOptions replay = replay_options(network, model, *optimizer, options);
  candidate.obstacle = group_obstacle(stream, replay);
  if (!candidate.obstacle.empty()) return candidate;
  try {
    const GroupPlan plan(stream, model.record, weights, model.buffers ? &running : nullptr, replay);
    candidate.mebibytes = static_cast<double>(plan.bytes()) / kMebibyte;
    candidate.spared = 1 - static_cast<double>(plan.group_parameters()) /
                               static_cast<double>(model.parameters->size());
  } catch (const Error& error) {
    candidate.obstacle = error.what();
    return candidate;
  }
  const double free = static_cast<double>(device_memory(stream).free) / kMebibyte;
  const double limit = options.memory_limit > 0 ? options.memory_limit : free;
  if (limit > 0 && candidate.mebibytes > limit) {
    candidate.obstacle = fmt::format("more than {:.1f} MiB", limit);
  }
  return candidate;
}

// Milliseconds of a step on made images, the second one.
double measured(const Stream& stream, const ModelOptions& network, DType dtype, StepOptions options,
                ExecutionChoice execution) {
  options.execution = execution;
  TrainState state(stream, network, dtype, options, 0);
  const int64_t image = network.h * network.w * network.c;
  const Buffer images(stream, options.batch * image * dtype_size(dtype));
  const Buffer labels(stream, options.batch * int64_t{sizeof(int32_t)});
  const Buffer rate(stream, sizeof(double));
  zero(stream, labels.data(), labels.bytes());
  zero(stream, rate.data(), rate.bytes());
  dispatch(dtype, [&]<class T>(T) {
    map<T>(stream, Fill<T>{T(0.5)}, options.batch * image, {},
           {reinterpret_cast<T*>(images.data())});
  });
  state.replay->bind(images.data(), reinterpret_cast<const int32_t*>(labels.data()));
  double ms = 0;
  for (int i = 0; i < 2; ++i) {
    const Stopwatch watch;
    state.optimizer->step(*state.replay, state.weights,
                          reinterpret_cast<const double*>(rate.data()));
    stream.synchronize();
    ms = 1e3 * watch.seconds();
  }
  return ms;
}

std::string text(const Candidate& c) {
  std::string line = execution_name(c.execution);
  if (c.mebibytes > 0) line += fmt::format(" {:.1f} MiB", c.mebibytes);
  if (c.ms > 0) line += fmt::format(" {:.1f} ms", c.ms);
  if (c.spared > 0) line += fmt::format(", sparing {:.0f} % of the parameters", 100 * c.spared);
  if (!c.obstacle.empty()) line += fmt::format(" ({})", c.obstacle);
  return line;
}

}  // namespace

std::string choose_execution(const Stream& stream, const ModelOptions& network, DType dtype,
                             StepOptions& options) {
  if (options.microbatch == 0 || options.microbatch >= options.batch) return "";
  const ExecutionChoice asked = options.execution;
  std::vector<ExecutionChoice> names{asked};
  if (asked == ExecutionChoice::Auto || asked == ExecutionChoice::Measure) {
    names = {ExecutionChoice::Ghost, ExecutionChoice::Loop, ExecutionChoice::Grouped};
    if (stream.is_cuda()) std::swap(names[1], names[2]);
  }
  std::vector<Candidate> candidates;
  Candidate* best = nullptr;
  candidates.reserve(names.size());
  for (const ExecutionChoice name : names) {
    candidates.push_back(planned(stream, network, dtype, options, name));
    Candidate& candidate = candidates.back();
    if (!candidate.obstacle.empty()) continue;
    const bool ghost = name == ExecutionChoice::Ghost;
    if (asked == ExecutionChoice::Auto && ghost && candidate.spared < kSpared) {
      candidate.obstacle = "too few";
      continue;
    }
    if (asked == ExecutionChoice::Measure) {
      candidate.ms = measured(stream, network, dtype, options, name);
    }
    if (best == nullptr || candidate.ms < best->ms) best = &candidate;
  }
  std::string all;
  for (const Candidate& candidate : candidates) {
    all += (all.empty() ? "" : ", ") + text(candidate);
  }
  BASIN_CHECK(best != nullptr, "--microbatch-execution", "found {} for groups of {}", all,
              options.microbatch);
  options.execution = best->execution;
  return fmt::format("groups of {} by {}: planned {}", options.microbatch,
                     execution_name(best->execution), all);
}

}  // namespace basin
