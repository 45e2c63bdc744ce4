// m-SAM: a batch in groups of examples, each of which ascends from w to a point of its own and
// takes its last gradient there.
//
// Whoever replays a chunk of the batch (group_plan.h) climbs with it and takes the last gradient
// before the next chunk, so that gradients and points of a chunk's groups alone are in memory: with
// one group a chunk, in a core's cache. On CUDA all of it is launches only.
#pragma once

#include "engine/group_plan.h"

namespace basin {

class GroupReplay final : public BatchReplay {
 public:
  // Error(Run) where a GPU's memory does not hold it.
  GroupReplay(GroupPlan plan, const Arena& parameters, Arena* buffers);

  int64_t groups() const override { return plan_.groups(); }
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
  int64_t bytes() const override { return plan_.bytes(); }
  const Program& program() const override { return plan_.parts[0].tape->program(); }
  int replayers() const override { return plan_.replayers; }
  int64_t chunk() const override { return plan_.parts[0].size; }
  int64_t examples(int thread, int64_t nth) const override;
  void observe(const std::function<ReplayObserver*(int thread)>& observer_of) override;

 private:
  using Chunk = GroupPlan::Chunk;
  // What a thread needs beside a part's workspace.
  struct Climber {
    Arena gradient;  // of each of the chunk's groups
    AscentSpace space;
    Point point;    // where the chunk's groups stand, by w and `space` where they have ghosts
    Buffer packed;  // the groups' packed gradients, apart from the sum
    Buffer images;  // of the chunk, where on CUDA they would not begin on a boundary of kAlignment
  };
  enum Pass { kFirst, kLast, kPasses };

  void pack(const Arena& at);
  // body(index, chunk, thread) for all chunks, on the threads that replay.
  template <class Body>
  void for_chunks(const Body& body);
  int64_t image_bytes() const;
  const std::byte* images_of(const Chunk& chunk, int thread);
  void forward(int64_t index, int thread, const Point& at, Pass pass);
  void climb(int64_t index, int thread, const Arena& weights, const Ascent& ascent, bool tracks);
  void sum_gradient(const Chunk& chunk, int thread, const Point& at, Arena& gradient);
  void add_decay(Arena& gradient, const Arena* points);
  void sum_points(const Chunk& chunk, int thread);
  void finish(Pass pass, const Arena* at);
  void collect_points();

  const Arena& own_weights(const Chunk& chunk, const Arena& weights) const {
    return own_weights_[chunk.part].layout() == nullptr ? weights : own_weights_[chunk.part];
  }
  ReplayPart& part_of(const Chunk& chunk) { return plan_.parts[chunk.part]; }
  Workspace& work_of(const Chunk& chunk, int t) { return *part_of(chunk).workspaces[t]; }
  Climber& climber_of(const Chunk& chunk, int t) { return *climbers_[chunk.part][t]; }
  double share(int64_t examples) const {
    return static_cast<double>(examples) / static_cast<double>(plan_.options.batch);
  }
  bool tracks(Track track) const;
  template <class T>
  T* pass_values(const Buffer& values, Pass pass) const {
    return reinterpret_cast<T*>(values.data()) + pass * static_cast<int64_t>(plan_.chunks.size());
  }
  const PassResult* result_of(Pass pass) const {
    return reinterpret_cast<const PassResult*>(results_.data()) + pass;
  }

  GroupPlan plan_;
  Arena* buffers_;
  std::vector<std::vector<std::unique_ptr<Climber>>> climbers_;  // by part and thread
  // With an L2 term: by thread, the sum of its points by their shares; l2 * w.
  std::vector<Arena> point_sums_;
  Arena decay_;
  std::vector<Arena> own_weights_;  // by part: w of what its groups have of their own
  PartialGradients partial_;
  Buffer losses_, correct_;             // [kPasses, chunks]
  Buffer logits_;                       // [batch, classes]
  Buffer chunk_shares_, group_shares_;  // float64
  Buffer squared_norms_;                // float64: of each group's point, then of w, and scratch
  Buffer results_;                      // kPasses PassResults
  Pass latest_ = kFirst;
  const std::byte* images_ = nullptr;
  const int32_t* labels_ = nullptr;
};

}  // namespace basin
