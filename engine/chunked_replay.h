// A network on a batch, replayed the fast way of a CPU.
//
// Without batch norm the batch is cut into chunks of a few examples whose activations stay in a
// core's cache; each thread replays its own chunks in its own workspace, with one-thread kernels
// and its own gradient, and nothing waits until the gradients are added, in a fixed order. With
// batch norm the batch is whole and the threads work inside each op.
#pragma once

#include "engine/batch_replay.h"
#include "engine/replay_part.h"

namespace basin {

class ChunkedReplay final : public BatchReplay {
 public:
  ChunkedReplay(const Stream& stream, const RecordNetwork& network, const Arena& parameters,
                Arena* buffers, const ReplayOptions& options);

  void bind(const void* images, const int32_t* labels) override;
  void differentiate(const Arena& at, Arena& gradient, Track track) override;
  void evaluate(const Arena& at) override;

  const PassResult* result() const override { return &result_; }
  PassResult finished() const override { return result_; }
  std::vector<double> logits() const override { return logits_; }
  int64_t bytes() const override;
  const Program& program() const override { return parts_[0].tape->program(); }
  int replayers() const override { return replayers_; }
  int64_t chunk() const override { return parts_[0].size; }
  int64_t examples(int thread, int64_t nth) const override;
  void observe(const std::function<ReplayObserver*(int thread)>& observer_of) override;

 private:
  ReplayPart record(const RecordNetwork& network, const Arena& parameters, int64_t size);
  void pass(const Arena& at, Arena* gradient, Track track);
  void replay_chunk(int64_t chunk, int thread, bool tracks, Arena* gradient, Write mode,
                    Write packed_mode);
  ReplayPart& part_of(int64_t chunk) { return parts_[chunk < full_ ? 0 : 1]; }

  ReplayOptions options_;
  Stream stream_;  // all threads inside one kernel
  Stream inner_;   // of one replay
  int replayers_;  // threads that replay chunks of their own
  DType dtype_;
  Arena* buffers_;
  std::vector<ReplayPart> parts_;  // the second, if any, of the rest: one smaller chunk
  int64_t full_;                   // chunks of the first part
  int64_t classes_ = 0;
  PartialGradients partial_;
  std::vector<double> chunk_loss_, chunk_correct_, partials_;
  std::vector<double> logits_;
  const std::byte* images_ = nullptr;
  const int32_t* labels_ = nullptr;
  PassResult result_{};
};

}  // namespace basin
