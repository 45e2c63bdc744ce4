// A network on a batch, replayed the fast way of its device.
//
// Without batch norm the batch is cut into chunks of a few examples whose activations stay in a
// core's cache; each thread replays its own chunks in its own workspace, with one-thread kernels
// and its own gradient, and nothing waits until the gradients are added, in a fixed order. With
// batch norm the batch is whole and the threads work inside each op.
#pragma once

#include <functional>
#include <span>

#include "engine/objective.h"
#include "engine/ops.h"
#include "engine/workspace.h"

namespace basin {

// Records a network: images [n,h,w,c] -> logits [n,classes].
using RecordNetwork = std::function<Variable(Tape&, const Variable& images)>;

struct ReplayOptions {
  int64_t batch = 128;
  int64_t h = 32, w = 32, c = 3;
  int threads = 1;
  Mode mode = Mode::Training;
  Differentiate differentiate = Differentiate::Yes;
  bool whole_batch = false;  // what batch norm in training needs
  int64_t chunk = 0;         // the most examples of a chunk; 0: as many as suit the network
  ConvAlgorithm convolution = ConvAlgorithm::Auto;
  Precision precision = Precision::Full;
  double l2 = 0;  // adds l2 / 2 |w|^2, over all parameters, to the loss
};

class ChunkedReplay final : public Objective {
 public:
  // `parameters` and `buffers` (null where there are none) are what is recorded at; `buffers` are
  // also the running statistics of every later pass.
  ChunkedReplay(const RecordNetwork& network, const Arena& parameters, Arena* buffers,
                const ReplayOptions& options);

  // The next batch: images [batch,h,w,c] of the parameters' type, labels [batch]; not copied.
  void bind(const void* images, const int32_t* labels);

  void differentiate(const Arena& at, Arena& gradient, Track track) override;
  // Only the forward pass.
  void evaluate(const Arena& at);

  // observer_of(thread), or null, sees the replays of each thread.
  template <class Observers>
  void observe(const Observers& observer_of) {
    for (Part* part : {&main_, &tail_}) {
      for (size_t t = 0; t < part->workspaces.size(); ++t) {
        if (part->workspaces[t]) part->workspaces[t]->observe(observer_of(static_cast<int>(t)));
      }
    }
  }

  // Of the last pass: the mean loss (the L2 term included), how many labels were met, the logits.
  double loss() const { return loss_; }
  double correct() const { return correct_; }
  std::vector<double> logits() const;  // [batch, classes]; each chunk's last values

  // Bytes of all workspaces, packed weights and partial gradients together.
  int64_t bytes() const;
  int64_t chunk() const { return main_.size; }
  int replayers() const { return replayers_; }  // threads that replay chunks of their own
  // Of the nth chunk that a thread replays, counted on over passes: the rest of a batch is smaller.
  int64_t examples(int thread, int64_t nth) const;
  const Program& program() const { return main_.tape->program(); }

 private:
  // A tape of `size` examples, with a workspace for each thread that replays it.
  struct Part {
    int64_t size = 0;
    std::unique_ptr<Tape> tape;
    std::unique_ptr<Point> point;
    std::vector<std::unique_ptr<Workspace>> workspaces;
  };

  Part record(const RecordNetwork& network, const Arena& parameters, int64_t size);
  // Of the threads [first_thread, last_thread).
  void add_workspaces(Part& part, int first_thread, int last_thread);
  void pass(const Arena& at, Arena* gradient, Track track);
  void replay_chunk(int64_t chunk, int thread, bool tracks, Arena* gradient, Write mode,
                    Write packed_mode);
  void collect(const Arena& at, Arena& gradient);
  template <class Body>
  void on_threads(const Body& body);

  ReplayOptions options_;
  Stream stream_;  // all threads inside one kernel
  int replayers_;  // threads that replay chunks of their own
  DType dtype_;
  Arena* buffers_;
  Part main_, tail_;
  int64_t full_;  // chunks of main_.size; the rest, if any, is one chunk of tail_
  int64_t classes_ = 0;
  std::vector<Arena> partial_;  // the gradients of threads 1, 2, …
  std::vector<double> chunk_loss_, chunk_correct_, partials_;
  std::vector<const void*> parts_;
  std::vector<double> logits_;
  const std::byte* images_ = nullptr;
  const int32_t* labels_ = nullptr;
  double loss_ = 0, correct_ = 0;
};

}  // namespace basin
