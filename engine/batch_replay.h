// A network on a batch, as a training step and an evaluation see it, on either device.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/objective.h"
#include "engine/ops.h"
#include "engine/workspace.h"
#include "kernels/step.h"

namespace basin {

// Records a network: images [n,h,w,c] -> logits [n,classes].
using RecordNetwork = std::function<Variable(Tape&, const Variable& images)>;

// How the groups of m-SAM are replayed (group_replay.h), with one result.
enum class GroupExecution {
  Loop,     // one group after the other: a group's gradient and point alone are in memory
  Grouped,  // several at once: they share the passes at w, and each reads parameters of its own
  Ghost,    // the same, but ops that can do without parameters of a group (ghosts.h)
};

struct ReplayOptions {
  int64_t batch = 128;
  // m-SAM: the examples of a group that has a point of its own, the last group's being the rest; 0,
  // or the batch: it is one group.
  int64_t microbatch = 0;
  GroupExecution execution = GroupExecution::Loop;
  KeepEpsilon epsilon = KeepEpsilon::No;  // of the ascent that such a group makes
  int64_t h = 32, w = 32, c = 3;
  Mode mode = Mode::Training;
  Differentiate differentiate = Differentiate::Yes;
  bool whole_batch = false;  // what batch norm in training needs
  int64_t chunk = 0;  // on a CPU, the most examples of a chunk; 0: as many as suit the network
  ConvAlgorithm convolution = ConvAlgorithm::Auto;
  Precision precision = Precision::Full;
  double l2 = 0;  // adds l2 / 2 |w|^2, over all parameters, to the loss
};

class BatchReplay : public Objective {
 public:
  // The next batch, in the stream's memory: images [batch,h,w,c] of the parameters' type, labels
  // [batch]; not copied.
  virtual void bind(const void* images, const int32_t* labels) = 0;
  // Only the forward pass.
  virtual void evaluate(const Arena& at) = 0;

  // Of the last pass, in the stream's memory.
  virtual const PassResult* result() const = 0;
  // Of the first pass (at w) of the last differentiate_perturbed(); elsewhere of the last pass.
  virtual const PassResult* first_result() const { return result(); }
  // The same on the host, when the pass has run.
  virtual PassResult finished() const = 0;
  // [batch, classes]: each chunk's last values; of groups, those at w.
  virtual std::vector<double> logits() const = 0;

  // Bytes of all workspaces, packed weights and partial gradients together.
  virtual int64_t bytes() const = 0;
  virtual const Program& program() const = 0;

  // The batch is replayed by replayers() threads, each a few examples at a time, at most chunk().
  virtual int replayers() const = 0;
  virtual int64_t chunk() const = 0;
  // Of the nth chunk that a thread replays, counted on over passes: the rest of a batch is smaller.
  virtual int64_t examples(int thread, int64_t nth) const = 0;
  // observer_of(thread), or null, sees the replays of each thread.
  virtual void observe(const std::function<ReplayObserver*(int thread)>& observer_of) = 0;
};

// Replays the fast way of the stream's device: a CPU's is ChunkedReplay, CUDA's DeviceReplay; a
// batch of several groups is replayed by a GroupReplay on either.
// `parameters` and `buffers` (null where there are none) give the layouts; `buffers` are also the
// running statistics of every pass.
std::unique_ptr<BatchReplay> make_replay(const Stream& stream, const RecordNetwork& network,
                                         const Arena& parameters, Arena* buffers,
                                         const ReplayOptions& options);

// The tape of `size` examples, frozen: inputs 0 "images" and 1 "labels", outputs loss, correct,
// logits.
std::unique_ptr<Tape> record_batch(const Stream& stream, const RecordNetwork& network,
                                   const Arena& parameters, const Arena* buffers,
                                   const ReplayOptions& options, int64_t size, int64_t groups = 1);

}  // namespace basin
