// How the batch of m-SAM is cut: into chunks of whole groups of examples, who replays them, and
// what memory that takes, all of it known before any is taken.
#pragma once

#include <string>

#include "engine/batch_replay.h"
#include "engine/replay_part.h"

namespace basin {

// What keeps options.execution from replaying several groups at once, or "".
std::string group_obstacle(const Stream& stream, const ReplayOptions& options);

// Chunks of one or more whole groups. On a CPU the threads replay chunks of their own; with batch
// norm, whose running statistics have an order, and with fewer chunks than threads, all threads
// work inside each op. On CUDA the chunks follow one another.
struct GroupPlan {
  // options.microbatch in [1, options.batch). Error(Usage) where the network's ops cannot be
  // replayed as options.execution says.
  GroupPlan(const Stream& stream, const RecordNetwork& network, const Arena& parameters,
            Arena* buffers, const ReplayOptions& options);

  struct Chunk {
    int part;
    bool first_of_thread, first_of_part;  // of the thread that replays it; of it in the part
    int64_t begin, group;                 // the first example, the first group
  };

  int64_t groups() const { return ceil_div(options.batch, options.microbatch); }
  // Of how many each group has its own, gaps included.
  int64_t group_parameters() const { return parts[0].tape->program().group_parameters->size(); }
  int64_t groups_of(int part) const { return parts[part].tape->program().groups; }
  bool has_ghosts(const ReplayPart& part) const {
    return part.tape->program().group_parameters != layout;
  }
  int thread_of(int64_t chunk) const { return static_cast<int>(chunk % replayers); }
  // Of all memory that replays take: workspaces, points, gradients, packed weights.
  int64_t bytes() const;

  ReplayOptions options;
  Stream stream;  // all threads inside one kernel
  LayoutPtr layout;
  DType dtype;
  int replayers = 1;              // threads that replay chunks of their own
  Stream inner;                   // of one replay
  std::vector<ReplayPart> parts;  // the first of equal chunks, then what is left of the batch
  std::vector<Chunk> chunks;
  int64_t classes = 0;

 private:
  void add_part(const RecordNetwork& network, const Arena& parameters, Arena* buffers,
                int64_t groups, int64_t group_size, int64_t count);
};

}  // namespace basin
