// What a person sees of a run: the live line on a (pseudo) terminal, lines in a pipe, silence.
#include "tools/progress.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace basin::test {
namespace {

using testing::HasSubstr;
using testing::Not;

const LiveStep kStep{2, 3, 40, 468, 1.93104, 0.3125, 0.0712, 812.4, 83.2};

EpochMetrics metrics(int epoch) {
  return {.epoch = epoch,
          .step = 8 * epoch,
          .train_loss = 1.5 / epoch,
          .train_accuracy = 0.5,
          .test_loss = 2,
          .test_accuracy = 0.25,
          .learning_rate = 0.1,
          .images_per_second = 800,
          .seconds = 12.3};
}

// A run of two epochs as the display is told of it.
void run_display(TrainDisplay& display, int steps) {
  display.started("a model, a data set");
  for (int epoch = 1; epoch <= 2; ++epoch) {
    for (int step = 1; step <= steps; ++step) {
      display.step_done(epoch, step, steps, 1.5, 0.25, 0.1, 800);
    }
    display.epoch_done(metrics(epoch));
  }
  display.table({metrics(1), metrics(2)});
}

// Stdout, for a while, is a terminal of so many columns; text() is what was written to it.
class Terminal {
 public:
  explicit Terminal(unsigned short columns) {
    std::fflush(stdout);
    master_ = posix_openpt(O_RDWR | O_NOCTTY);
    if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0) return;
    const int slave = open(ptsname(master_), O_RDWR | O_NOCTTY);
    const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ioctl(slave, TIOCSWINSZ, &size);
    saved_ = dup(STDOUT_FILENO);
    dup2(slave, STDOUT_FILENO);
    close(slave);
    fcntl(master_, F_SETFL, O_NONBLOCK);
  }
  ~Terminal() {
    restore();
    if (master_ >= 0) close(master_);
  }
  bool works() const { return saved_ >= 0; }
  std::string text() {
    std::fflush(stdout);
    std::string all;
    char part[4096];
    for (ssize_t n = 0; (n = read(master_, part, sizeof part)) > 0;) all.append(part, n);
    restore();
    return all;
  }

 private:
  void restore() {
    if (saved_ < 0) return;
    std::fflush(stdout);
    dup2(saved_, STDOUT_FILENO);
    close(saved_);
    saved_ = -1;
  }
  int master_ = -1, saved_ = -1;
};

TEST(Progress, LiveLineHasWholeFieldsThatFit) {
  const std::string whole = live_line(kStep, 200);
  EXPECT_EQ(whole,
            "epoch 2/3  step 40/468  loss 1.9310  accuracy 31.2 %  lr 0.0712  812 images/s  1m23s "
            "left");
  EXPECT_EQ(live_line(kStep, whole.size()), whole);
  EXPECT_EQ(live_line(kStep, whole.size() - 1), whole.substr(0, whole.rfind("  ")));
  EXPECT_EQ(live_line(kStep, 30), "epoch 2/3  step 40/468");
  for (size_t width = 0; width < 120; ++width) EXPECT_LE(live_line(kStep, width).size(), width);
}

TEST(Progress, APipeGetsALineAnEpoch) {
  testing::internal::CaptureStdout();
  TrainDisplay display(2, Quiet::No);
  run_display(display, 50);
  const std::string out = testing::internal::GetCapturedStdout();
  EXPECT_THAT(out, Not(HasSubstr("\r")));
  EXPECT_THAT(out, Not(HasSubstr("\033")));
  EXPECT_THAT(out, HasSubstr("a model, a data set\nepoch 1/2  train loss 1.5000"));
  EXPECT_THAT(out, HasSubstr("\nepoch 2/2  train loss 0.7500"));
  // The description, two epochs, an empty line, the table's head and its two rows.
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 7);
}

TEST(Progress, QuietSaysNothing) {
  testing::internal::CaptureStdout();
  TrainDisplay display(2, Quiet::Yes);
  run_display(display, 50);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(Progress, ATerminalGetsOneLineRedrawn) {
  setenv("TERM", "xterm", 1);
  Terminal terminal(40);
  ASSERT_TRUE(terminal.works()) << "this machine gives no pseudo terminal";
  TrainDisplay display(1, Quiet::No);
  display.started("run");
  const auto start = std::chrono::steady_clock::now();
  constexpr int kSteps = 3000;
  for (int step = 1; step <= kSteps; ++step) {
    display.step_done(1, step, kSteps, 1.5, 0.25, 0.1, 800);
    if (step % 10 == 0) usleep(1000);
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  display.epoch_done(metrics(1));
  const std::string out = terminal.text();
  size_t draws = 0;
  for (size_t at = 0; (at = out.find("\r\033[Kepoch 1/1  step ", at)) != std::string::npos; ++at) {
    const size_t begin = at + 4, end = std::min(out.find('\r', begin), out.find('\n', begin));
    EXPECT_LE(end - begin, 39U);
    ++draws;
  }
  EXPECT_GE(draws, 1U);
  EXPECT_LE(static_cast<double>(draws), seconds / 0.1 + 1);      // at most ten a second
  EXPECT_THAT(out, HasSubstr("\r\033[Kepoch 1/1  train loss"));  // in the live line's place
}

TEST(Progress, ADumbTerminalGetsALineAnEpoch) {
  setenv("TERM", "dumb", 1);
  Terminal terminal(80);
  ASSERT_TRUE(terminal.works()) << "this machine gives no pseudo terminal";
  TrainDisplay display(2, Quiet::No);
  run_display(display, 50);
  EXPECT_THAT(terminal.text(), Not(HasSubstr("\033")));
}

}  // namespace
}  // namespace basin::test
