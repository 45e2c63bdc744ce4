// `basin train`: the same bytes from the same seed, however often the run was interrupted; and what
// a run that fails leaves behind.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/cli.h"
#include "tests/support/json.h"

namespace basin::test {
namespace {

using Words = std::vector<std::string>;

// The rows of metrics.jsonl without what a clock says.
std::vector<nlohmann::json> rows_of(const std::string& run) {
  std::vector<nlohmann::json> rows = json_lines_of(run + "/metrics.jsonl");
  for (nlohmann::json& row : rows) {
    EXPECT_EQ(row.erase("images_per_second") + row.erase("seconds"), 2u) << row;
  }
  return rows;
}

void expect_no_temporary(const std::string& run) {
  for (const auto& entry : std::filesystem::directory_iterator(run)) {
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
  }
}

void expect_same_run(const std::string& a, const std::string& b, size_t epochs) {
  EXPECT_EQ(rows_of(a).size(), epochs);
  EXPECT_EQ(rows_of(a), rows_of(b));
  EXPECT_NE(bytes_of(a + "/checkpoint.safetensors"), "");
  EXPECT_TRUE(bytes_of(a + "/checkpoint.safetensors") == bytes_of(b + "/checkpoint.safetensors"));
  EXPECT_EQ(bytes_of(a + "/progress.jsonl"), bytes_of(b + "/progress.jsonl"));
  EXPECT_TRUE(std::filesystem::exists(b + "/summary.json"));
  expect_no_temporary(a);
  expect_no_temporary(b);
}

// Waits for the first epoch's checkpoint; false where the run ended first.
bool wait_for_epoch(Program& program, const std::string& run) {
  while (!std::filesystem::exists(run + "/checkpoint.safetensors")) {
    if (!program.running()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

TEST(Train, SameSeedSameBytes) {
  const Folder folder;
  const std::string a = folder.file("a"), b = folder.file("b"), c = folder.file("c");
  const Words options{"--optimizer", "sam", "--augment", "--label-noise", "0.2", "--epochs", "1"};
  const auto without_epochs = [](Words words) {
    const auto at = std::find(words.begin(), words.end(), "--epochs");
    words.erase(at, at + 2);
    return words;
  };
  expect_success(without_epochs(small_training(a)) + options);
  expect_success(without_epochs(small_training(b)) + options);
  expect_same_run(a, b, 1);
  expect_success(without_epochs(small_training(c)) + options + Words{"--seed", "1"});
  EXPECT_TRUE(bytes_of(a + "/checkpoint.safetensors") != bytes_of(c + "/checkpoint.safetensors"));
}

TEST(Train, ConfigFileReproducesTheRun) {
  const Folder folder;
  const std::string a = folder.file("a"), b = folder.file("b");
  expect_success(small_training(a, "mlp") +
                 Words{"--optimizer", "sam", "--rho", "0.12345678901234567", "--lr", "1e-2",
                       "--nesterov", "--decay", "decoupled", "--weight-decay", "0.001", "--seed",
                       "9223372036854775807", "--schedule", "cosine", "--statistics", "both"});
  const Words again{"train", "--quiet", "--config", a + "/config.toml"};
  expect_success(again + Words{"--out", b});
  expect_same_run(a, b, 2);
  EXPECT_EQ(bytes_of(a + "/config.toml"), bytes_of(b + "/config.toml"));

  expect_success(again + Words{"--out", b, "--rho", "0.25"});  // the command line goes first
  EXPECT_THAT(bytes_of(b + "/config.toml"), testing::HasSubstr("\nrho = 0.25\n"));
  EXPECT_NE(rows_of(a), rows_of(b));
}

TEST(Train, TerminatedAndResumed) {
  const Folder folder;
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  const Words options{"--optimizer", "sam", "--ascent-batch", "previous"};
  expect_success(small_training(whole) + options);

  Program program(small_training(parts) + options);
  ASSERT_TRUE(wait_for_epoch(program, parts));
  // Into the middle of the second epoch, which takes as long as the first one.
  const auto row = json_of(parts + "/metrics.jsonl");
  std::this_thread::sleep_for(std::chrono::duration<double>(row["seconds"].get<double>() / 3));
  program.kill(SIGTERM);
  expect_failure(program.wait(), 128 + SIGTERM, {"signal 15", "--resume", parts});
  EXPECT_EQ(rows_of(parts).size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(parts + "/summary.json"));
  expect_no_temporary(parts);

  expect_success(small_training(parts) + options + Words{"--resume"});
  expect_same_run(whole, parts, 2);
}

TEST(Train, KilledAndResumed) {
  const Folder folder;
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  expect_success(small_training(whole, "resnet_tiny"));

  Program program(small_training(parts, "resnet_tiny"));
  ASSERT_TRUE(wait_for_epoch(program, parts));
  program.kill(SIGKILL);
  ASSERT_EQ(program.wait().code, 128 + SIGKILL);

  expect_success(small_training(parts, "resnet_tiny") + Words{"--resume"});
  expect_same_run(whole, parts, 2);
}

TEST(Train, ResumingWhatIsDoneChangesNothing) {
  const Folder folder;
  const std::string run = folder.file("run");
  expect_success(small_training(run, "mlp"));
  const std::string checkpoint = bytes_of(run + "/checkpoint.safetensors");
  const std::string metrics = bytes_of(run + "/metrics.jsonl");
  expect_success(small_training(run, "mlp") + Words{"--resume"});
  EXPECT_TRUE(bytes_of(run + "/checkpoint.safetensors") == checkpoint);
  EXPECT_EQ(bytes_of(run + "/metrics.jsonl"), metrics);
}

TEST(Train, CheckpointsThatDoNotFit) {
  const Folder folder;
  const std::string run = folder.file("run"), file = run + "/checkpoint.safetensors";
  expect_failure(run_program(small_training(run, "mlp") + Words{"--resume"}), 2,
                 {"--resume", file});
  EXPECT_FALSE(std::filesystem::exists(run));

  expect_success(small_training(run, "mlp"));
  const std::string checkpoint = bytes_of(file), config = bytes_of(run + "/config.toml");
  const auto refused = [&](const Words& words, const Words& parts) {
    const std::string before = bytes_of(file);
    expect_failure(run_program(words + Words{"--resume"}), 2, parts);
    EXPECT_TRUE(bytes_of(file) == before);
    EXPECT_EQ(bytes_of(run + "/config.toml"), config);
    EXPECT_EQ(rows_of(run).size(), 2u);
    expect_no_temporary(run);
  };
  refused(small_training(run, "linear"), {file});
  refused(small_training(run, "resnet_tiny_gn"), {file});
  refused(small_training(run, "mlp") + Words{"--seed", "1"},
          {"--resume", "found seed=0, expected seed=1"});
  write_bytes(file, checkpoint.substr(0, checkpoint.size() / 2));
  refused(small_training(run, "mlp"), {file});
}

TEST(Train, FullDisk) {
  const Folder folder;
  const std::string run = folder.file("run"), file = run + "/checkpoint.safetensors";
  constexpr rlim_t kLimit = 16 << 10;  // rows fit, a checkpoint does not
  expect_failure(run_program(small_training(run, "mlp"), kLimit), 1, {file, "File too large"});
  EXPECT_FALSE(std::filesystem::exists(file));
  expect_no_temporary(run);

  Program program(small_training(run));
  ASSERT_TRUE(wait_for_epoch(program, run));
  program.kill(SIGTERM);
  ASSERT_EQ(program.wait().code, 128 + SIGTERM);
  const std::string checkpoint = bytes_of(file);
  expect_failure(run_program(small_training(run) + Words{"--resume"}, kLimit), 1,
                 {file, "File too large"});
  EXPECT_TRUE(bytes_of(file) == checkpoint);
  expect_no_temporary(run);
  expect_success(small_training(run) + Words{"--resume"});  // the disk has room again
  EXPECT_EQ(rows_of(run).size(), 2u);
}

TEST(Train, DivergenceKeepsTheLastCheckpoint) {
  const Folder folder;
  const std::string run = folder.file("run");
  const ProgramResult result = run_program(small_training(run) + Words{"--lr", "1e30"});
  expect_failure(result, 1, {"the loss is", "at step", "--lr"});
  expect_no_temporary(run);
}

}  // namespace
}  // namespace basin::test
