// `basin diag`: the paper's numbers from the command line, what it writes, and what it refuses.
#include <cmath>
#include <filesystem>
#include <sstream>

#include "engine/checkpoint.h"
#include "engine/io/npy.h"
#include "tests/support/cli.h"
#include "tests/support/diagonal_golden.h"
#include "tests/support/json.h"
#include "tools/diag_options.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;
using Words = std::vector<std::string>;

class Diag : public testing::Test {
 protected:
  std::string out(const std::string& name = "") const { return folder_.file("out/" + name); }
  ProgramResult run(const Words& words) const {
    return run_program(Words{"diag", "--threads", "2", "--out", folder_.file("out")} + words);
  }
  Json summary(const Words& words) const {
    const ProgramResult r = run(words);
    EXPECT_EQ(r.code, 0) << r.err;
    return json_of(out("summary.json"));
  }
  // The fields of each line, the names first.
  std::vector<Words> csv(const std::string& name) const {
    std::vector<Words> lines;
    std::stringstream text(bytes_of(out(name)));
    for (std::string line; std::getline(text, line);) lines.push_back(split(line));
    return lines;
  }
  Folder folder_;
};

const GoldenRun& golden(const std::string& name) {
  for (const GoldenRun& run : golden_runs()) {
    if (run.name == name) return run;
  }
  throw std::out_of_range(name);
}

TEST_F(Diag, TheCurveOfThePapersRun) {
  const GoldenRun& expected = golden("c2_1SAM_0.1");
  const Json all = summary({"--rng", "numpy", "--seed", "0", "--algorithm", "1sam", "--alpha",
                            "0.02", "--gamma", "1/6", "--rho", "0.1"});
  EXPECT_NEAR(all["test_loss"], expected.points.back().test_loss, 1e-15);
  EXPECT_NEAR(all["l1"], expected.l1, 1e-10);
  EXPECT_TRUE(all["diverged_at"].is_null());
  EXPECT_EQ(all["steps"], 10001);
  EXPECT_GT(all["steps_per_second"], 0);
  const std::vector<Words> curve = csv("curves.csv");
  ASSERT_EQ(curve.size(), 567U);
  EXPECT_EQ(curve[0], (Words{"iteration", "train_loss", "test_loss", "l1", "beta_error_squared",
                             "scale_mean", "difference_max", "potential", "loss_integral"}));
  size_t found = 0;
  for (const GoldenPoint& point : expected.points) {
    for (const Words& line : curve) {
      if (line[0] != std::to_string(point.iteration)) continue;
      ++found;
      EXPECT_NEAR(std::stod(line[1]) / point.train_loss, 1, 1e-10) << line[0];
      EXPECT_NEAR(std::stod(line[2]) / point.test_loss, 1, 1e-10) << line[0];
    }
  }
  EXPECT_EQ(found, expected.points.size());
  EXPECT_EQ(std::stod(curve.back()[1]), all["train_loss"].get<double>());  // 17 digits

  const std::vector<Words> weights = csv("weights.csv");
  const HostTensor array = read_npy(out("weights.npy"));
  EXPECT_EQ(array.shape, (std::vector<int64_t>{1, 2, 30}));
  const std::vector<double> values = host_values(array);
  ASSERT_EQ(weights.size(), 31U);
  double l1 = 0;
  for (int j = 0; j < 30; ++j) {
    EXPECT_EQ(std::stod(weights[j + 1][0]), values[j]);
    EXPECT_EQ(std::stod(weights[j + 1][1]), values[30 + j]);
    l1 += std::abs(values[j] * values[30 + j]);
  }
  EXPECT_NEAR(l1, expected.l1, 1e-10);
}

TEST_F(Diag, OneAlgorithmBehindAnother) {
  const GoldenRun& expected = golden("c5_ERM_to_1SAM");
  const Json all = summary({"--rng", "numpy", "--gamma", "1/30", "--then", "1sam:rho=10"});
  EXPECT_EQ(all["steps"], 20002);
  EXPECT_NEAR(all["train_loss"].get<double>() / expected.points.back().train_loss, 1, 1e-9);
  EXPECT_NEAR(all["test_loss"].get<double>() / expected.points.back().test_loss, 1, 1e-9);
  const std::vector<Words> curve = csv("curves.csv");
  EXPECT_EQ(curve.size(), 1U + 2 * 566);
  EXPECT_EQ(curve[567][0], "10001");
  // Ends are where the next run begins.
  const Json twice =
      summary({"--rng", "numpy", "--gamma", "1/30", "--then", "gd", "--log", "5000"});
  EXPECT_NEAR(twice["test_loss"], 0.014602323023707, 1e-14);
  const std::vector<Words> thin = csv("curves.csv");
  ASSERT_EQ(thin.size(), 7U);
  EXPECT_EQ(thin[3][0], "10000");
  EXPECT_NEAR(std::stod(thin[3][2]), 0.014865600195083584, 1e-14);
  EXPECT_EQ(thin[6][0], "20001");
}

TEST_F(Diag, SgdTakesNumpysExamples) {
  const Json all = summary({"--rng", "numpy", "--algorithm", "sgd", "--gamma", "1/3",
                            "--skip-draws", "60006", "--log", "10001"});
  EXPECT_NEAR(all["test_loss"], 0.0024805346096488296, 1e-13);
}

TEST_F(Diag, OptionsOfTheGradient) {
  const auto loss = [&](const Words& words) {
    return summary(Words{"--rng", "numpy", "--log", "20000"} + words)["test_loss"].get<double>();
  };
  EXPECT_NEAR(loss({"--decay", "1e-4"}), 2.146491601e-3, 1e-11);
  EXPECT_NEAR(loss({"--halve-at", "100,1000"}), 0.015276793, 1e-9);
  EXPECT_NEAR(loss({"--normalised", "--gamma", "0.01", "--halve-at",
                    "1000,2000,3000,4000,5000,6000,7000,8000,9000"}),
              0.010128580, 2e-9);  // rounding errors grow to 1e-8 of it
  const Words ablation{"--algorithm", "1sam", "--gamma", "1/3", "--derivative-only", "--rho"};
  EXPECT_NEAR(loss(ablation + Words{"0.1"}), 0.015926924, 1e-9);
  EXPECT_NEAR(loss(ablation + Words{"0.3"}), 0.016330966, 1e-9);
  const Words halved{"--algorithm", "1sam", "--gamma", "1/3", "--rho"};
  EXPECT_EQ(loss(halved + Words{"0.2", "--rho-convention", "paper"}), loss(halved + Words{"0.1"}));
}

TEST_F(Diag, ASweepIsItsRuns) {
  const Json all =
      summary({"--algorithm", "gd,1sam", "--alpha", "0.05,0.1", "--gamma", "1/6,0.5", "--rho",
               "0.1,0.9", "--seed", "0,3", "--steps", "300", "--rng", "numpy"});
  const std::vector<Words> rows = csv("sweep.csv");
  ASSERT_EQ(rows.size(), 1U + 2 * 2 * 2 + 2 * 2 * 2 * 2);
  EXPECT_EQ(rows[0].front(), "algorithm");
  EXPECT_EQ(rows[0].back(), "diverged_at");
  EXPECT_EQ(all["runs"].size(), rows.size() - 1);
  EXPECT_FALSE(std::filesystem::exists(out("curves.csv")));
  EXPECT_EQ(read_npy(out("weights.npy")).shape, (std::vector<int64_t>{24, 2, 30}));
  int diverged = 0;
  for (size_t i = 1; i < rows.size(); ++i) {
    const Words& row = rows[i];
    ASSERT_EQ(row.size(), 14U);
    if (!row.back().empty()) {
      ++diverged;
      EXPECT_EQ(row[5], "");
      EXPECT_EQ(row[4], "0.90000000000000002");
      continue;
    }
    if (i % 5 != 1) continue;
    const Json one = summary({"--algorithm", row[0], "--seed", row[1], "--alpha", row[2], "--gamma",
                              row[3], "--rho", row[4], "--steps", "300", "--rng", "numpy"});
    EXPECT_EQ(one["test_loss"].get<double>(), std::stod(row[6])) << i;  // to the bit
    EXPECT_EQ(one["l1"].get<double>(), std::stod(row[7])) << i;
  }
  EXPECT_GT(diverged, 0);
}

TEST_F(Diag, WhatDivergesSaysSo) {
  const ProgramResult r = run(
      {"--rng", "numpy", "--algorithm", "1sam", "--gamma", "0.5", "--rho", "0.9", "--log", "all"});
  expect_failure(r, 1, {"iteration 4", "--gamma", "--rho"});
  const Json all = json_of(out("summary.json"));
  EXPECT_EQ(all["diverged_at"], 4);
  EXPECT_TRUE(all["test_loss"].is_null());
  const std::vector<Words> curve = csv("curves.csv");
  ASSERT_EQ(curve.size(), 5U);  // what was before stays
  EXPECT_GT(std::stod(curve[4][1]), 1e60);
}

TEST_F(Diag, DataFromAFile) {
  const std::string train = folder_.file("train.csv"), test = folder_.file("test.csv");
  write_bytes(train, "# a, b, y\n1,0,2\n0,1,-1\n1,1,1\n");
  write_bytes(test, "2,1,3\n");
  const Json all = summary({"--data", train, "--test-data", test, "--alpha", "0.1", "--gamma",
                            "0.2", "--steps", "2000"});
  EXPECT_EQ(all["n"], 3);
  EXPECT_EQ(all["d"], 2);
  EXPECT_LT(all["train_loss"], 1e-20);
  EXPECT_LT(all["test_loss"], 1e-18);
  EXPECT_TRUE(all["beta_error_squared"].is_null());
  EXPECT_EQ(csv("curves.csv").back()[4], "");
  EXPECT_NEAR(std::stod(csv("weights.csv")[1][2]), 2, 1e-9);
  EXPECT_NEAR(std::stod(csv("weights.csv")[2][2]), -1, 1e-9);
  const Json alone = summary(
      {"--data", train, "--gamma", "0.2", "--algorithm", "sgd", "--rng", "numpy", "--steps", "50"});
  EXPECT_TRUE(alone["test_loss"].is_null());
}

TEST_F(Diag, TheTheorysReport) {
  const ProgramResult r = run({"--theory", "--steps", "100000"});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.out, HasSubstr("predicted"));
  EXPECT_THAT(r.out, HasSubstr("|theta|_1 1.498644"));
  for (const char* name : {"gd", "nsam", "1sam"}) EXPECT_THAT(r.out, HasSubstr(name));
  EXPECT_EQ(run({"--theory", "--quiet", "--steps", "10"}).out, "");
}

TEST_F(Diag, WrongUse) {
  const std::string data = folder_.file("data.csv"), wide = folder_.file("wide.csv");
  write_bytes(data, "1,2\n3,x\n");
  write_bytes(wide, "1,2,3\n");
  const auto refused = [&](const Words& words, const Words& parts) {
    SCOPED_TRACE(testing::PrintToString(words));
    expect_failure(run(words), 2, parts);
    EXPECT_FALSE(std::filesystem::exists(out("summary.json")));
  };
  refused({"--algorithm", "gd,sam"}, {"--algorithm", "found 'sam'", "nsam"});
  refused({"--alpha", "0"}, {"--alpha", "found '0'", "above 0"});
  refused({"--gamma", "1/0"}, {"--gamma", "'1/0'"});
  refused({"--rho", "0.1,-1"}, {"--rho", "'-1'"});
  refused({"--seed", "4294967296", "--rng", "numpy"}, {"--seed", "4294967296", "2^32"});
  refused({"--seed", "1.5"}, {"--seed", "found 1.5", "whole numbers"});
  refused({"--seed", "1,1"}, {"--seed", "found 1 twice"});
  refused({"--sparsity", "31"}, {"--sparsity", "found 31", "30"});
  refused({"--log", "0"}, {"--log", "found '0'"});
  refused({"--log", "all", "--rho", "1,2"}, {"--log", "ends only"});
  refused({"--then", "2sam"}, {"--then", "'2sam'", "did you mean"});
  refused({"--then", "1sam:rh=3"}, {"--then", "'rh'", "did you mean rho"});
  refused({"--then", "1sam:rho=x"}, {"--then", "rho=x"});
  refused({"--then", "gd:steps=0"}, {"--then", "steps=0"});
  refused({"--then", "gd:normalised=1"}, {"--then", "normalised=1"});
  refused({"--data", data}, {data + ":2", "'x'", "column 2"});
  refused({"--data", wide, "--n", "3"}, {"--n", "beside --data"});
  refused({"--data", wide, "--test-data", data}, {data + ":2"});
  refused({"--test-data", wide}, {"--test-data", "no --data"});
  refused({"--skip-draws", "3"}, {"--skip-draws", "--rng numpy"});
  write_bytes(data, "1,2\n");
  refused({"--data", wide, "--test-data", data}, {"--test-data", "found 1 features"});
}

TEST(DiagOptions, PaperLogs) {
  const std::vector<int64_t> paper = logged_iterations("paper", 10001);
  EXPECT_EQ(paper.size(), 566U);
  EXPECT_EQ(paper[499], 499);
  EXPECT_EQ(paper[500], 501);
  EXPECT_EQ(paper[501], 524);
  EXPECT_EQ(paper[505], 630);
  EXPECT_EQ(paper[564], 9549);
  EXPECT_EQ(paper.back(), 10000);
  EXPECT_EQ(logged_iterations("paper", 1), std::vector<int64_t>{0});
  EXPECT_EQ(logged_iterations("paper", 3), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(logged_iterations("all", 4), (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(logged_iterations("3", 8), (std::vector<int64_t>{0, 3, 6, 7}));
}

TEST(DiagOptions, Ratios) {
  EXPECT_EQ(parse_ratio("1/6"), 1.0 / 6);
  EXPECT_EQ(parse_ratio("2e-3"), 2e-3);
  for (const char* bad : {"", "/", "1/", "/2", "1/0", "1/2/3", "x", "nan", "inf", " 1"}) {
    EXPECT_FALSE(parse_ratio(bad).has_value()) << bad;
  }
  const DiagStage stage = parse_stage("1sam:rho=10,gamma=1/30,steps=7,derivative-only", 5);
  EXPECT_EQ(stage.algorithm, DiagonalAlgorithm::OneSam);
  EXPECT_EQ(stage.rho, 10.0);
  EXPECT_EQ(stage.gamma, 1.0 / 30);
  EXPECT_EQ(stage.steps, 7);
  EXPECT_TRUE(stage.derivative_only && !stage.normalised);
  EXPECT_EQ(parse_stage("gd", 5).steps, 5);
  EXPECT_FALSE(parse_stage("gd", 5).gamma.has_value());
}

TEST_F(Diag, TheLineBetweenTwoRuns) {
  const auto ends = [&](const Words& words) {
    const Json found = summary(Words{"--rng", "numpy"} + words);
    std::filesystem::rename(out("weights.npy"), folder_.file(words.back() + ".npy"));
    return found;
  };
  const Json a = ends({"--steps", "300"}), b = ends({"--steps", "50"});
  const Words between{"--rng", "numpy", "--between", folder_.file("300.npy"),
                      folder_.file("50.npy")};
  const Json line = summary(between + Words{"--from", "0", "--to", "1", "--points", "3"});
  const std::vector<Words> rows = csv("line.csv");
  ASSERT_EQ(rows.size(), 4u);
  for (const auto& [row, end] : {std::pair(1, a), std::pair(3, b)}) {
    EXPECT_NEAR(std::stod(rows[row][1]), end["train_loss"].get<double>(), 1e-12);
    EXPECT_NEAR(std::stod(rows[row][2]), end["test_loss"].get<double>(), 1e-12);
  }
  EXPECT_EQ(rows[2][0], "0.5");
  EXPECT_EQ(line["second"]["test_loss"], std::stod(rows[3][2]));
  EXPECT_LE(line["least"]["test_loss"].get<double>(), std::stod(rows[1][2]));
  expect_failure(run(between + Words{"--d", "7"}), 2, {"300.npy", "[1, 2, 30]", "[1, 2, 7]"});
}

}  // namespace
}  // namespace basin::test
