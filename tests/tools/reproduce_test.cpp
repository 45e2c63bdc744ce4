// `basin reproduce`: runs, report, resumption, and files that are not as they should be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "tests/support/cli.h"
#include "tests/support/json.h"
#include "tools/experiment.h"

namespace basin::test {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr const char* kExperiment = R"(title = "two runs, $what"
source = "a test"

[scale.small]
steps = "$more"
more = "40"
what = "small"
gammas = "0.1,0.2"

[[run]]
name = "gd-{}"
over = "$gammas"
command = "diag --tests 0 --steps $steps --gamma {}"

[[panel]]
x = "iteration"
y = "train_loss"
  [[panel.series]]
  label = "gamma = {}"
  run = "gd-{}"
  over = "$gammas"
  [[panel.series]]
  kind = "points"
  run = "gd-{}"
  over = ["0.1", "0.2"]
  y = "train_loss"

[[compare]]
label = "steps of {}"
run = "gd-{}"
over = "$gammas"
key = "steps"
expected = [40, 50]
source = "itself"
)";

class Reproduce : public testing::Test {
 protected:
  std::string write(const std::string& text) const {
    write_bytes(folder_.file("own.toml"), text);
    return folder_.file("own.toml");
  }
  ProgramResult reproduce(const std::string& name) const {
    return run_program({"reproduce", name, "--out", out_});
  }
  // With Python, which run_program() withholds; returns what is printed, "" where it fails.
  std::string reported(const std::string& name) const {
    const char* carried = std::getenv("BASIN_PROGRAM");
    const std::string printed = folder_.file("printed");
    const std::string line =
        fmt::format("{} reproduce {} --out {} > {} 2>&1",
                    carried != nullptr ? carried : BASIN_PROGRAM, name, out_, printed);
    const bool done = std::system(line.c_str()) == 0;
    EXPECT_TRUE(done) << bytes_of(printed);
    return done ? bytes_of(printed) : "";
  }
  void refused(const std::string& text, const Words& parts) const {
    expect_failure(reproduce(write(text)), 2, parts);
    EXPECT_FALSE(std::filesystem::exists(out_));
  }
  Folder folder_;
  const std::string out_ = folder_.file("out");
};

TEST_F(Reproduce, RunsComparesAndIsNotRunTwice) {
  const std::string file = write(kExperiment);
  EXPECT_THAT(reported(file), HasSubstr("steps of 0.2"));
  const auto numbers = json_of(out_ + "/numbers.json");
  ASSERT_EQ(numbers.size(), 2u);
  EXPECT_EQ(numbers[1]["measured"], 40);
  EXPECT_EQ(numbers[1]["expected"], 50);
  const std::string report = bytes_of(out_ + "/report.md");
  EXPECT_THAT(report, HasSubstr("# two runs, small"));
  EXPECT_THAT(report, HasSubstr("| steps of 0.2 | 40 | 50 | -20 % | itself |"));

  const std::string run = out_ + "/runs/gd-0.1/summary.json";
  const std::string other = out_ + "/runs/gd-0.2/command.txt";
  write_bytes(run, bytes_of(run) + " ");
  std::filesystem::remove(other);
  reported(file);
  EXPECT_TRUE(bytes_of(run).ends_with(" "));  // it was done
  EXPECT_THAT(bytes_of(other), HasSubstr("--gamma 0.2"));
}

// Every run for every seed, in folders of their own, with the files of its own seed.
TEST_F(Reproduce, SeedsHaveAMeanAndADeviation) {
  const std::string file = write(R"(title = "t"
source = "s"
serial = true
[scale.small]
seeds = ["3", "4"]
data = "--dataset shapes --train-size 64 --test-size 64 --model mlp --width 4 --batch 32"
[[run]]
name = "first"
command = "train $data"
[[run]]
name = "then-{}"
over = ["0.05", "0.1"]
command = "train $data --lr {} --init runs/first/checkpoint.safetensors"
[[panel]]
x = "learning rate"
  [[panel.series]]
  kind = "points"
  run = "then-{}"
  over = ["0.05", "0.1"]
  y = "test_loss"
  [[panel.series]]
  kind = "level"
  run = "first"
  y = "test_loss"
  [[panel.series]]
  run = "first"
  file = "metrics.jsonl"
  x = "epoch"
  y = "test_loss"
[[compare]]
label = "loss of {}"
run = "then-{}"
over = ["0.05", "0.1"]
key = "test_loss"
)");
  EXPECT_THAT(reported(file), testing::ContainsRegex("loss of 0.1 +[0-9.]+ ± [0-9.]+"));
  const auto rows = json_of(out_ + "/numbers.json");
  ASSERT_EQ(rows.size(), 2u);
  const std::vector<double> values = rows[1]["values"];
  ASSERT_EQ(values.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const std::string folder = fmt::format("{}/runs/seed-{}/", out_, i + 3);
    const auto summary = json_of(folder + "then-0.1/summary.json");
    EXPECT_EQ(values[i], summary["test_loss"]);
    EXPECT_THAT(bytes_of(folder + "then-0.1/command.txt"),
                HasSubstr(fmt::format("{}first/checkpoint.safetensors", folder)));
  }
  EXPECT_NE(values[0], values[1]);
  EXPECT_DOUBLE_EQ(rows[1]["measured"], (values[0] + values[1]) / 2);
  EXPECT_DOUBLE_EQ(rows[1]["deviation"], std::abs(values[0] - values[1]) / std::sqrt(2.0));
  EXPECT_THAT(bytes_of(out_ + "/report.md"), HasSubstr("Seeds 3, 4"));
  expect_failure(run_program({"reproduce", write(kExperiment), "--out", out_, "--seed", "1"}), 2,
                 {"--seed", "found 1", "their own seeds"});
  const auto expect_no_seeds = [&](const std::string& seeds, const std::string& problem) {
    std::string text = kExperiment;
    text.insert(text.find("steps ="), "seeds = " + seeds + "\n");
    expect_failure(reproduce(write(text)), 2, {"line 5", "seeds", problem});
  };
  expect_no_seeds(R"(["1", "-1"])", "found 1,-1, expected whole numbers >= 0");
  expect_no_seeds(R"(["1", "2", "1"])", "found 1 twice");
}

TEST_F(Reproduce, WithoutPythonTheRunsAreDone) {
  expect_failure(reproduce(write(kExperiment)), 1, {"report", "python3", "reproduce.py"});
  EXPECT_TRUE(std::filesystem::exists(out_ + "/runs/gd-0.2/command.txt"));
}

TEST_F(Reproduce, ARunThatFailsIsNamed) {
  const std::string file = write(R"(title = "t"
source = "s"
[[run]]
name = "bad"
command = "diag --gamma -1"
)");
  expect_failure(reproduce(file), 1, {"bad: ", "--gamma", "found '-1'"});
}

TEST_F(Reproduce, ARunMayDiverge) {
  const std::string file = write(R"(title = "t"
source = "s"
[[run]]
name = "far"
may_diverge = true
command = "train --dataset shapes --train-size 64 --model mlp --width 4 --batch 32 --lr 1e30"
[[compare]]
label = "the loss"
run = "far"
key = "test_loss"
)");
  EXPECT_THAT(reported(file), testing::ContainsRegex("the loss +diverged"));
}

TEST_F(Reproduce, FilesThatAreNotAsTheyShouldBe) {
  expect_failure(run_program({"reproduce"}), 2, {"NAME", "--list"});
  expect_failure(reproduce("diag-nsma"), 2, {"found no experiment 'diag-nsma'", "diag-nsam"});
  expect_failure(reproduce(folder_.file("none.toml")), 2, {"none.toml"});
  refused("title = ", {"own.toml", "line 1"});
  refused("title = 'x'\nsource = 'y'\n", {"own.toml", "[[run]]"});
  refused("source = 'y'\n[[run]]\nname = 'a'\ncommand = 'diag'\n", {"title", "found none"});
  refused("title = 'x'\nsource = 'y'\n[[run]]\nname = 'a'\ncommand = 3\n", {"line 5", "command"});
  refused("title = 'x'\nsource = 'y'\n[[run]]\nname = 'a'\ncommand = '$b'\n", {"found $b"});
  refused("title = 'x'\nsource = 'y'\n[[run]]\nname = 'a'\nover = ['1', '2']\ncommand = 'diag'\n",
          {"found the name 'a' for the second time"});
  refused("title = 'x'\nsource = 'y'\n[scale.paper]\na = 'b'\n[[run]]\nname = 'a'\ncommand = ''\n",
          {"found no [scale.small]"});
  refused("title = '$a'\nsource = 'y'\n[scale.small]\na = '$a'\n[[run]]\nname = 'a'\n",
          {"more than 100 variables"});
}

// All that come with Basin can be read, at both scales.
TEST(Experiments, AreWhole) {
  const Words names = experiment_names();
  EXPECT_GE(names.size(), 6u);
  for (const std::string& name : names) {
    for (const char* scale : {"small", "paper"}) {
      const Experiment e = read_experiment(experiment_file(name), scale);
      EXPECT_FALSE(e.runs.empty()) << name;
      for (const Experiment::Run& run : e.runs) EXPECT_GE(run.words.size(), 2u) << name;
    }
  }
}

}  // namespace
}  // namespace basin::test
