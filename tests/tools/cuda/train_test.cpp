// `basin train --device cuda`: the CPU's run within rounding, the same bytes twice, resumed too.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/cli.h"
#include "tests/support/json.h"

namespace basin::test {
namespace {

using Words = std::vector<std::string>;
using Json = nlohmann::json;

// Ten steps of a small network.
Words ten_steps(const std::string& out, const std::string& model, const std::string& device) {
  return {"train",      "--device",    device,    "--dataset",     "shapes", "--train-size",
          "80",         "--test-size", "10",      "--model",       model,    "--width",
          "4",          "--batch",     "8",       "--epochs",      "1",      "--lr",
          "0.02",       "--optimizer", "sam",     "--threads",     "2",      "--augment",
          "--schedule", "constant",    "--quiet", "--convolution", "direct", "--out",
          out};
}

Json summary_of(const std::string& run) {
  return json_of(run + "/summary.json");
}

class TrainOnCuda : public testing::TestWithParam<const char*> {};

TEST_P(TrainOnCuda, TenStepsAreTheCpus) {
  const Folder folder;
  const std::string cpu = folder.file("cpu"), cuda = folder.file("cuda"),
                    again = folder.file("again");
  for (const auto& [out, device] : {std::pair{cpu, "cpu"}, {cuda, "cuda"}, {again, "cuda:0"}}) {
    const ProgramResult result = run_program(ten_steps(out, GetParam(), device));
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err + result.out, "");
  }
  const Json a = summary_of(cpu), b = summary_of(cuda);
  EXPECT_EQ(b["device"], "cuda");
  for (const char* loss : {"train_loss", "test_loss"}) {
    EXPECT_NEAR(b[loss], a[loss], 1e-4 * a[loss].get<double>()) << loss;
  }
  EXPECT_EQ(a["train_accuracy"], b["train_accuracy"]);
  EXPECT_TRUE(bytes_of(cuda + "/checkpoint.safetensors").size() > 1000);
  EXPECT_EQ(bytes_of(cuda + "/progress.jsonl"), bytes_of(again + "/progress.jsonl"));
}

TEST_P(TrainOnCuda, AResumedRunGivesTheSameBytes) {
  const Folder folder;
  const std::string whole = folder.file("whole"), parts = folder.file("parts");
  const auto three_epochs = [&](const std::string& out) {
    Words words = ten_steps(out, GetParam(), "cuda");
    *(std::find(words.begin(), words.end(), "--epochs") + 1) = "3";
    *(std::find(words.begin(), words.end(), "--train-size") + 1) = "24";
    return words + Words{"--tf32"};  // the emulated device convolves so faster than by tiles
  };
  ASSERT_EQ(run_program(three_epochs(whole)).code, 0);
  Program first(three_epochs(parts));
  while (first.running() && !std::filesystem::exists(parts + "/checkpoint.safetensors")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  first.kill(SIGTERM);
  const int code = first.wait().code;
  EXPECT_TRUE(code == 128 + SIGTERM || code == 0) << code;
  const ProgramResult resumed = run_program(three_epochs(parts) + Words{"--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(bytes_of(whole + "/checkpoint.safetensors") ==
              bytes_of(parts + "/checkpoint.safetensors"));
  EXPECT_EQ(bytes_of(whole + "/progress.jsonl"), bytes_of(parts + "/progress.jsonl"));
}

INSTANTIATE_TEST_SUITE_P(Models, TrainOnCuda, testing::Values("resnet_tiny_gn", "resnet_tiny"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace basin::test
