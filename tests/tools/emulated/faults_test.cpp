// A training run in which the n-th call to CUDA fails, or the n-th kernel faults, for n through the
// whole run: each ends with one line, and leaves nothing half-written.
#include <gtest/gtest.h>

#include "kernels/emulated/device.h"
#include "tests/support/cli.h"
#include "tools/trainer.h"

namespace basin::test {
namespace {

constexpr uint32_t kTrain = 4, kTest = 3;

std::string idx(uint32_t magic, uint32_t n, uint32_t side) {
  std::string bytes = big_endian(magic) + big_endian(n);
  if (side == 0) return bytes + std::string("\x01\x02\x03\x04").substr(0, n);
  bytes += big_endian(side) + big_endian(side);
  for (uint32_t i = 0; i < n * side * side; ++i) bytes += static_cast<char>(i % 251);
  return bytes;
}

struct Silent final : TrainObserver {
  void started(const std::string&) override {}
  void warned(const std::string&) override {}
  void step_done(int, int64_t, int64_t, double, double, double, double) override {}
  void epoch_done(const EpochMetrics&) override {}
};

class Faults : public testing::TestWithParam<const char*> {
 protected:
  Faults() {
    write_bytes(data_.file("train-images-idx3-ubyte"), idx(2051, kTrain, 8));
    write_bytes(data_.file("train-labels-idx1-ubyte"), idx(2049, kTrain, 0));
    write_bytes(data_.file("t10k-images-idx3-ubyte"), idx(2051, kTest, 8));
    write_bytes(data_.file("t10k-labels-idx1-ubyte"), idx(2049, kTest, 0));
    options_.model = GetParam();
    options_.width = 2;
    options_.dataset = "mnist";
    options_.data_dir = data_.path();
    options_.device = "cuda";
    options_.step.batch = 2;
    options_.step.optimizer.name = "sam";
    options_.epochs = 1;
  }
  ~Faults() override { emulated::reset_device({}); }

  // Whether the run ended well; where it did not, how is looked at.
  bool runs(const emulated::Settings& settings, const std::string& what) {
    emulated::reset_device(settings);
    const Folder folder;
    options_.out = folder.file("run");
    Silent observer;
    try {
      run_training(options_, observer);
      return true;
    } catch (const Error& error) {
      const std::string line = error.what();
      EXPECT_EQ(line.find('\n'), std::string::npos) << what << ": " << line;
      EXPECT_NE(line, "");
      // Where the device cannot even be opened it is the option's fault.
      EXPECT_TRUE(error.kind() == ErrorKind::Run || line.starts_with("--device")) << line;
    }
    if (!std::filesystem::exists(options_.out)) return false;
    for (const auto& entry : std::filesystem::directory_iterator(options_.out)) {
      EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << what << entry.path();
    }
    return false;
  }

  // n = 1, 2, … up to `all`, then in growing steps, until a run ends well.
  template <class Set>
  void walk(int64_t all, const Set& set, const std::string& what) {
    int64_t failed = 0;
    for (int64_t n = 1;; n += n < all ? 1 : n / 16) {
      emulated::Settings settings;
      set(settings, n);
      if (runs(settings, what + " " + std::to_string(n))) break;
      ++failed;
    }
    EXPECT_GT(failed, 20) << what;
  }

  Folder data_;
  TrainOptions options_;
};

TEST_P(Faults, ACallThatFails) {
  const bool small = std::string(GetParam()) == "mlp";
  walk(
      small ? 100000 : 20, [](emulated::Settings& s, int64_t n) { s.fail_at = n; }, "call");
}

TEST_P(Faults, AKernelThatFaults) {
  walk(
      20, [](emulated::Settings& s, int64_t n) { s.fault_at = n; }, "kernel");
}

TEST_P(Faults, TooLittleMemory) {
  // What the plan needs is said before anything of it is taken.
  int64_t failed = 0;
  for (int64_t bytes = 1 << 12;; bytes *= 2) {
    emulated::Settings settings;
    settings.memory = bytes;
    if (runs(settings, "memory of " + std::to_string(bytes))) break;
    ++failed;
  }
  EXPECT_GT(failed, 2);
}

INSTANTIATE_TEST_SUITE_P(Models, Faults, testing::Values("mlp", "resnet_tiny"),
                         [](const auto& info) { return std::string(info.param); });

TEST(FaultsOfTheProgram, EndItWithOneLine) {
  const Folder folder;
  const std::vector<std::string> words =
      small_training(folder.file("run"), "mlp") + std::vector<std::string>{"--device", "cuda"};
  setenv("BASIN_EMULATED_FAULT", "90", 1);
  expect_failure(run_program(words), 1, {"asked for: kernel 90 faults"});
  unsetenv("BASIN_EMULATED_FAULT");
  setenv("BASIN_EMULATED_FAIL", "cudaGraphLaunch:3", 1);
  expect_failure(run_program(words), 1, {"cudaGraphLaunch", "asked for"});
  unsetenv("BASIN_EMULATED_FAIL");
  setenv("BASIN_EMULATED_MEMORY", "1000000", 1);
  expect_failure(run_program(words), 1, {"memory", "free", "--batch"});
  unsetenv("BASIN_EMULATED_MEMORY");
}

}  // namespace
}  // namespace basin::test
