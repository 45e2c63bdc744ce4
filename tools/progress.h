// What a person sees of a training run: one live line on a terminal, a line an epoch in a pipe,
// nothing with --quiet; a table at the end.
#pragma once

#include <chrono>
#include <string>

#include "tools/terminal.h"
#include "tools/trainer.h"

namespace basin {

struct LiveStep {
  int epoch, epochs;
  int64_t step, steps;  // in the epoch
  double loss, accuracy, learning_rate, images_per_second, seconds_left;
};
// "epoch 1/3  step 40/468  loss 1.9310 …", as many fields as fit `width` characters.
std::string live_line(const LiveStep& s, size_t width);

class TrainDisplay final : public TrainObserver {
 public:
  TrainDisplay(int epochs, Quiet quiet);
  void started(const std::string& description) override;
  void warned(const std::string& what) override;
  void step_done(int epoch, int64_t step_in_epoch, int64_t steps_in_epoch, double loss,
                 double accuracy, double learning_rate, double images_per_second) override;
  void epoch_done(const EpochMetrics& metrics) override;
  void table(const std::vector<EpochMetrics>& epochs) const;

 private:
  using Clock = std::chrono::steady_clock;
  void clear_line();

  int epochs_;
  bool quiet_, terminal_, live_ = false;
  Clock::time_point start_, drawn_;
  double first_done_ = -1;  // the share of the run that was done when this process took it up
};

}  // namespace basin
