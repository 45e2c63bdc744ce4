// The paper's training protocol in `basin train`: held-out examples, wrong labels, SAM in a part of
// the epochs, a run that begins at another's end, random perturbations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/io/safetensors.h"
#include "tests/support/cli.h"
#include "tests/support/json.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

std::vector<Json> rows_of(const std::string& run) {
  return json_lines_of(run + "/metrics.jsonl");
}
Json summary_of(const std::string& run) {
  return json_of(run + "/summary.json");
}

TEST(Protocol, HeldOutExamplesAndWrongLabels) {
  const Folder folder;
  const std::string run = folder.file("run");
  expect_success(small_training(run, "mlp") +
                 Words{"--validation", "0.25", "--label-noise", "0.5", "--lr", "0.01"});
  const std::vector<Json> rows = rows_of(run);
  ASSERT_EQ(rows.size(), 2u);
  double best = -1;
  int64_t best_epoch = 0;
  for (const Json& row : rows) {
    EXPECT_EQ(row["step"], row["epoch"].get<int64_t>() * 6);  // 192 examples, batches of 32
    for (const char* name :
         {"validation_loss", "validation_accuracy", "clean_accuracy", "noisy_accuracy"}) {
      EXPECT_TRUE(row[name].is_number()) << name;
    }
    EXPECT_LE(row["clean_accuracy"], 1.0);
    if (row["validation_accuracy"] <= best) continue;
    best = row["validation_accuracy"];
    best_epoch = row["epoch"];
  }
  const Json summary = summary_of(run);
  EXPECT_EQ(summary["best_epoch"], best_epoch);
  EXPECT_EQ(summary["best_validation_accuracy"], best);
  EXPECT_EQ(summary["test_accuracy_at_best"], rows[best_epoch - 1]["test_accuracy"]);
  EXPECT_FALSE(read_safetensors(run + "/best.safetensors").tensors.empty());
}

TEST(Protocol, SamInAPartOfTheEpochs) {
  const Folder folder;
  const auto train = [&](const std::string& name, const Words& options) {
    expect_success(small_training(folder.file(name)) + Words{"--lr", "0.05"} + options);
    return rows_of(folder.file(name));
  };
  const Words sam{"--optimizer", "sam", "--rho", "0.2"};
  const auto sgd = train("sgd", {"--optimizer", "sgd"});
  const auto whole = train("whole", sam);
  const auto late = train("late", sam + Words{"--sam-from", "0.75"});
  const auto early = train("early", sam + Words{"--sam-until", "0.5"});
  const auto loss = [](const Json& row) { return row["train_loss"].get<double>(); };
  EXPECT_EQ(loss(late[0]), loss(sgd[0]));
  EXPECT_NE(loss(late[1]), loss(sgd[1]));
  EXPECT_EQ(loss(early[0]), loss(whole[0]));
  EXPECT_NE(loss(early[1]), loss(whole[1]));
  EXPECT_EQ(summary_of(folder.file("whole"))["sam_steps"], 16);
  EXPECT_EQ(summary_of(folder.file("late"))["sam_steps"], 8);
  EXPECT_FALSE(summary_of(folder.file("sgd")).contains("sam_steps"));
}

TEST(Protocol, SamThatNeverActsIsSaid) {
  const Folder folder;
  Words words = small_training(folder.file("run"), "mlp") +
                Words{"--optimizer", "sam", "--sam-from", "0.6", "--sam-until", "0.9"};
  words.erase(std::find(words.begin(), words.end(), "--quiet"));
  const ProgramResult result = run_program(words);
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("warning: --optimizer sam never ascends: no e / 2"));
  EXPECT_EQ(summary_of(folder.file("run"))["sam_steps"], 0);
  expect_failure(run_program(small_training(folder.file("run"), "mlp") +
                             Words{"--sam-from", "0.6", "--sam-until", "0.5"}),
                 2, {"--sam-from", "found 0.6", "0.5"});
}

TEST(Protocol, ARunBeginsAtAnothersEnd) {
  const Folder folder;
  const std::string first = folder.file("first"), then = folder.file("then");
  expect_success(small_training(first, "resnet_tiny"));
  const std::string end = first + "/checkpoint.safetensors";
  expect_success(small_training(then, "resnet_tiny") +
                 Words{"--init", end, "--lr", "0", "--statistics", "frozen"});
  EXPECT_EQ(rows_of(then)[1]["test_loss"], rows_of(first)[1]["test_loss"]);
  expect_failure(run_program(small_training(folder.file("no"), "mlp") + Words{"--init", end}), 2,
                 {"checkpoint.safetensors"});
  EXPECT_FALSE(std::filesystem::exists(folder.file("no")));
}

TEST(Protocol, RandomPerturbationsAreTheSeeds) {
  const Folder folder;
  const auto train = [&](const std::string& name, const char* seed) {
    expect_success(small_training(folder.file(name), "mlp") +
                   Words{"--optimizer", "random", "--rho", "1", "--seed", seed});
    return bytes_of(folder.file(name) + "/checkpoint.safetensors");
  };
  EXPECT_TRUE(train("a", "3") == train("b", "3"));
  EXPECT_TRUE(train("a", "3") != train("c", "4"));
}

}  // namespace
}  // namespace basin::test
