// m-SAM: a batch in groups of examples, each of which ascends from w to a point of its own and takes
// its last gradient there.
//
// The batch is cut into chunks of one or more whole groups. Whoever replays a chunk climbs with it
// and takes the last gradient before the next chunk, so that gradients and points of a chunk's
// groups alone are in memory: with one group a chunk, in a core's cache. On a CPU the threads
// replay chunks of their own; with batch norm, whose running statistics have an order, and with
// fewer chunks than threads, all threads work inside each op. On CUDA the chunks follow one another
// on the stream, launches only.
#pragma once

#include "engine/batch_replay.h"
#include "engine/replay_part.h"

namespace basin {

class GroupReplay final : public BatchReplay {
 public:
  // options.microbatch in [1, options.batch). Error(Run) where a GPU's memory does not hold it.
  GroupReplay(const Stream& stream, const RecordNetwork& network, const Arena& parameters,
              Arena* buffers, const ReplayOptions& options);

  int64_t groups() const override { return ceil_div(options_.batch, options_.microbatch); }
  void bind(const void* images, const int32_t* labels) override;
  // The gradient of the whole batch's mean loss; batch norm has its statistics by the group.
  void differentiate(const Arena& at, Arena& gradient, Track track) override;
  // The running statistics of batch norm are moved by group after group, in their order: after the
  // group's first pass and, where tracks.last says so, after its last.
  void differentiate_perturbed(const Arena& weights, const Ascent& ascent, Arena& gradient,
                               StepTracks tracks) override;
  void evaluate(const Arena& at) override;

  const PassResult* result() const override { return result_of(latest_); }
  const PassResult* first_result() const override { return result_of(kFirst); }
  PassResult finished() const override;
  std::vector<double> logits() const override;
  int64_t bytes() const override;
  const Program& program() const override { return parts_[0].tape->program(); }
  int replayers() const override { return replayers_; }
  int64_t chunk() const override { return parts_[0].size; }
  int64_t examples(int thread, int64_t nth) const override;
  void observe(const std::function<ReplayObserver*(int thread)>& observer_of) override;

 private:
  struct Chunk {
    int part;
    bool first_of_thread, first_of_part;  // of the thread, and of it in the part
    int64_t begin, group;                 // the first example, the first group
  };
  // What a thread needs beside a part's workspace.
  struct Climber {
    Arena gradient;  // of each of the chunk's groups
    AscentSpace space;
    Point point;    // where the chunk's groups stand
    Buffer packed;  // the groups' packed gradients, apart from the sum
  };
  enum Pass { kFirst, kLast, kPasses };

  void add_part(const RecordNetwork& network, const Arena& parameters, int64_t groups,
                int64_t group_size, int64_t chunks);
  void pack(const Arena& at);
  // body(index, chunk, thread) for all chunks, on the threads that replay.
  template <class Body>
  void for_chunks(const Body& body);
  void forward(int64_t index, int thread, const Point& at, Pass pass);
  void climb(int64_t index, int thread, const Arena& weights, const Ascent& ascent, bool tracks);
  void sum_gradient(const Chunk& chunk, int thread, const Point& at, Arena& gradient);
  void sum_points(const Chunk& chunk, int thread);
  void finish(Pass pass, const Arena* at);
  void collect_points();

  ReplayPart& part_of(const Chunk& chunk) { return parts_[chunk.part]; }
  Workspace& work_of(const Chunk& chunk, int t) { return *parts_[chunk.part].workspaces[t]; }
  Climber& climber_of(const Chunk& chunk, int t) { return *climbers_[chunk.part][t]; }
  double share(int64_t examples) const {
    return static_cast<double>(examples) / static_cast<double>(options_.batch);
  }
  bool tracks(Track track) const;
  template <class T>
  T* pass_values(const Buffer& values, Pass pass) const {
    return reinterpret_cast<T*>(values.data()) + pass * static_cast<int64_t>(chunks_.size());
  }
  const PassResult* result_of(Pass pass) const {
    return reinterpret_cast<const PassResult*>(results_.data()) + pass;
  }

  ReplayOptions options_;
  Stream stream_;  // all threads inside one kernel
  int replayers_;  // threads that replay chunks of their own
  Stream inner_;   // of one replay
  DType dtype_;
  Arena* buffers_;
  std::vector<ReplayPart> parts_;  // the first of equal chunks, then what is left of the batch
  std::vector<Chunk> chunks_;
  std::vector<std::vector<std::unique_ptr<Climber>>> climbers_;  // by part and thread
  std::vector<Arena> point_sums_;  // by thread, with an L2 term: of the points, by their shares
  PartialGradients partial_;
  int64_t classes_ = 0;
  Buffer losses_, correct_;            // [kPasses, chunks]
  Buffer logits_;                      // [batch, classes]
  Buffer chunk_shares_, group_shares_;  // float64
  Buffer squared_norms_;  // float64: of each group's point, then of w, and scratch
  Buffer results_;        // kPasses PassResults
  Pass latest_ = kFirst;
  const std::byte* images_ = nullptr;
  const int32_t* labels_ = nullptr;
};

}  // namespace basin
