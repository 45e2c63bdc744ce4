#include "engine/group_plan.h"

#include <algorithm>

namespace basin {

std::string group_obstacle(const Stream& stream, const ReplayOptions& options) {
  if (options.execution == GroupExecution::Loop) return "";
  const bool ghost = options.execution == GroupExecution::Ghost;
  if (options.whole_batch) return "batch norm, whose statistics are a group's";
  if (options.epsilon == KeepEpsilon::Yes && (ghost || stream.is_cuda())) {
    return "several ascent steps";
  }
  return ghost && options.l2 > 0 ? "an L2 term in the loss" : "";
}

namespace {

// How many examples of several groups a CPU's thread replays at once: as in chunked_replay.cpp.
constexpr int64_t kChunk = 32;

int replayers_of(const Stream& stream, const ReplayOptions& options) {
  const int64_t groups = ceil_div(options.batch, options.microbatch);
  if (stream.is_cuda() || options.whole_batch || groups < stream.threads()) return 1;
  return stream.threads();
}

// Of how many groups a chunk is made.
int64_t groups_at_once(const Stream& stream, const ReplayOptions& options) {
  if (options.execution == GroupExecution::Loop) return 1;
  const std::string obstacle = group_obstacle(stream, options);
  BASIN_CHECK(obstacle.empty(), "--microbatch-execution", "found {} with {}, expected loop",
              options.execution == GroupExecution::Ghost ? "ghost" : "grouped", obstacle);
  const int64_t full = options.batch / options.microbatch;
  if (stream.is_cuda()) return full;
  const int64_t each = full / replayers_of(stream, options);
  return std::clamp<int64_t>(kChunk / options.microbatch, 1, std::max<int64_t>(each, 1));
}

}  // namespace

GroupPlan::GroupPlan(const Stream& stream, const RecordNetwork& network, const Arena& parameters,
                     Arena* buffers, const ReplayOptions& options)
    : options(options),
      stream(stream),
      layout(parameters.layout()),
      dtype(parameters.dtype()),
      replayers(replayers_of(stream, options)),
      inner(replayers == 1 ? stream : Stream::cpu(1)) {
  const int64_t m = options.microbatch, full = options.batch / m, rest = options.batch % m;
  const int64_t at_once = groups_at_once(stream, options);
  add_part(network, parameters, buffers, at_once, m, full / at_once);
  if (full % at_once > 0) add_part(network, parameters, buffers, full % at_once, m, 1);
  if (rest > 0) add_part(network, parameters, buffers, 1, rest, 1);
}

// `count` chunks of `groups` groups of `group_size` examples, behind those that are there.
void GroupPlan::add_part(const RecordNetwork& network, const Arena& parameters, Arena* buffers,
                         int64_t groups, int64_t group_size, int64_t count) {
  int64_t example = chunks.empty() ? 0 : chunks.back().begin + parts[chunks.back().part].size;
  ReplayPart& part = parts.emplace_back();
  part.size = groups * group_size;
  part.tape = record_batch(inner, network, parameters, buffers, options, part.size, groups);
  const Program& program = part.tape->program();
  classes = program.slots[program.outputs[2]].shape[1];
  const auto first = static_cast<int64_t>(chunks.size());
  for (int64_t c = first; c < first + count; ++c) {
    chunks.push_back({.part = static_cast<int>(parts.size()) - 1,
                      .first_of_thread = c < replayers,
                      .first_of_part = c < first + replayers,
                      .begin = example,
                      .group = example / options.microbatch});
    example += part.size;
  }
}

int64_t GroupPlan::bytes() const {
  const auto bytes_of = [&](const Layout& of) { return of.size() * dtype_size(dtype); };
  const int64_t arena = bytes_of(*layout);
  int64_t bytes = (replayers - 1) * arena;  // the threads' gradients
  if (options.l2 > 0) bytes += (replayers + 1) * arena;
  for (const ReplayPart& part : parts) {
    const Program& program = part.tape->program();
    bytes += program.packed_bytes;
    if (has_ghosts(part)) bytes += bytes_of(*program.group_parameters);  // w
  }
  for (const Chunk& chunk : chunks) {
    if (!chunk.first_of_part) continue;  // each thread's first of a part has its memory
    const Program& program = parts[chunk.part].tape->program();
    const int64_t packed = program.groups > 1 ? program.packed_groups_bytes : program.packed_bytes;
    bytes += parts[chunk.part].tape->workspace_bytes() + packed + program.packed_gradient_bytes +
             program.groups * bytes_of(*program.group_parameters) +
             AscentSpace::bytes(*program.group_parameters, dtype, program.groups, options.epsilon);
    if (has_ghosts(parts[chunk.part])) bytes += Ghosts::bytes(program);
  }
  return bytes;
}

}  // namespace basin
