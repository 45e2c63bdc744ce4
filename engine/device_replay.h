// A network on a batch on CUDA: one workspace, the batch whole, and launches only. Nothing waits
// for the device but finished() and logits(), so that a step can be captured.
#pragma once

#include <optional>

#include "engine/batch_replay.h"

namespace basin {

class DeviceReplay final : public BatchReplay {
 public:
  // Error(Run) says what the plan needs and what is free, before any of it is taken.
  DeviceReplay(const Stream& stream, const RecordNetwork& network, const Arena& parameters,
               Arena* buffers, const ReplayOptions& options);

  void bind(const void* images, const int32_t* labels) override;
  void differentiate(const Arena& at, Arena& gradient, Track track) override;
  void evaluate(const Arena& at) override;

  const PassResult* result() const override;
  PassResult finished() const override;
  std::vector<double> logits() const override;
  int64_t bytes() const override;
  const Program& program() const override { return tape_->program(); }
  int replayers() const override { return 1; }
  int64_t chunk() const override { return options_.batch; }
  int64_t examples(int, int64_t) const override { return options_.batch; }
  void observe(const std::function<ReplayObserver*(int thread)>& observer_of) override;

 private:
  void forward(const Arena& at);

  Stream stream_;
  ReplayOptions options_;
  Arena* buffers_;
  std::unique_ptr<Tape> tape_;
  std::optional<Point> point_;
  std::optional<Workspace> work_;
  Buffer squared_norm_, result_;  // of the parameters, for the L2 term; a PassResult
};

}  // namespace basin
