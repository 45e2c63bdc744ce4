#include "tools/progress.h"

#include <fmt/format.h>

#include <cstdio>

#include "tools/terminal.h"

namespace basin {

std::string live_line(const LiveStep& s, size_t width) {
  const std::string fields[] = {
      fmt::format("epoch {}/{}", s.epoch, s.epochs),
      fmt::format("step {}/{}", s.step, s.steps),
      fmt::format("loss {:.4f}", s.loss),
      fmt::format("accuracy {:.1f} %", 100 * s.accuracy),
      fmt::format("lr {:.4f}", s.learning_rate),
      fmt::format("{:.0f} images/s", s.images_per_second),
      fmt::format("{} left", duration(s.seconds_left)),
  };
  std::string line = fields[0].substr(0, width);
  for (size_t i = 1; i < std::size(fields); ++i) {
    if (line.size() + 2 + fields[i].size() > width) break;
    line += "  " + fields[i];
  }
  return line;
}

TrainDisplay::TrainDisplay(int epochs, Quiet quiet)
    : epochs_(epochs),
      quiet_(quiet == Quiet::Yes),
      terminal_(is_terminal()),
      start_(Clock::now()),
      drawn_(start_) {}

void TrainDisplay::clear_line() {
  if (live_) fmt::print("\r\033[K");
  live_ = false;
}

void TrainDisplay::started(const std::string& description) {
  if (!quiet_) fmt::print("{}\n", description);
  std::fflush(stdout);
  start_ = Clock::now();
}

void TrainDisplay::warned(const std::string& what) {
  if (!quiet_) fmt::print(stderr, "basin train: warning: {}\n", what);
}

void TrainDisplay::step_done(int epoch, int64_t step, int64_t steps, double loss, double accuracy,
                             double learning_rate, double images_per_second) {
  if (quiet_ || !terminal_) return;
  const double done =
      (epoch - 1 + static_cast<double>(step) / static_cast<double>(steps)) / epochs_;
  if (first_done_ < 0)
    first_done_ =
        (epoch - 1 + static_cast<double>(step - 1) / static_cast<double>(steps)) / epochs_;
  const auto now = Clock::now();
  if (now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double left = elapsed * (1 - done) / (done - first_done_);
  const LiveStep now_at{epoch,         epochs_,           step, steps, loss, accuracy,
                        learning_rate, images_per_second, left};
  // One column stays free: a terminal may begin a new line behind its last.
  fmt::print("\r\033[K{}", live_line(now_at, terminal_width() - 1));
  std::fflush(stdout);
  live_ = true;
}

void TrainDisplay::epoch_done(const EpochMetrics& m) {
  if (quiet_) return;
  clear_line();
  fmt::print(
      "epoch {}/{}  train loss {:.4f}  accuracy {:.2f} %  test loss {:.4f}  "
      "accuracy {:.2f} %  {:.0f} images/s  {:.1f} s\n",
      m.epoch, epochs_, m.train_loss, 100 * m.train_accuracy, m.test_loss, 100 * m.test_accuracy,
      m.images_per_second, m.seconds);
  std::fflush(stdout);
}

void TrainDisplay::table(const std::vector<EpochMetrics>& epochs) const {
  if (quiet_ || epochs.empty()) return;
  fmt::print("\n{:>5} {:>8} {:>10} {:>8} {:>10} {:>8} {:>8}\n", "epoch", "step", "train loss",
             "acc. %", "test loss", "acc. %", "s");
  const size_t shown = 10;  // the last ones, where there are many
  for (size_t i = epochs.size() > shown ? epochs.size() - shown : 0; i < epochs.size(); ++i) {
    const EpochMetrics& m = epochs[i];
    fmt::print("{:>5} {:>8} {:>10.4f} {:>8.2f} {:>10.4f} {:>8.2f} {:>8.1f}\n", m.epoch, m.step,
               m.train_loss, 100 * m.train_accuracy, m.test_loss, 100 * m.test_accuracy, m.seconds);
  }
}

}  // namespace basin
