// `basin relu1d`: what it writes of one run and of several, data from a file, and what it refuses.
#include <cmath>
#include <sstream>

#include "engine/checkpoint.h"
#include "engine/io/npy.h"
#include "models/relu1d_function.h"
#include "tests/support/cli.h"
#include "tests/support/json.h"
#include "tools/relu1d_options.h"

namespace basin::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

class Relu1dCommand : public testing::Test {
 protected:
  ProgramResult run(const Words& words) const {
    return run_program(Words{"relu1d", "--out", folder_.file("out")} + words);
  }
  std::string file(const std::string& name) const { return bytes_of(folder_.file("out/" + name)); }
  Json summary(const std::string& name = "summary.json") const {
    return json_of(folder_.file("out/" + name));
  }
  // The numbers of a CSV file behind its line of names.
  std::vector<std::vector<double>> table(const std::string& name, const std::string& names) const {
    std::istringstream text(file(name));
    std::string line;
    std::getline(text, line);
    EXPECT_EQ(line, names);
    std::vector<std::vector<double>> rows;
    while (std::getline(text, line)) {
      rows.emplace_back();
      std::istringstream fields(line);
      while (std::getline(fields, line, ',')) rows.back().push_back(std::stod(line));
    }
    return rows;
  }
  Folder folder_;
};

TEST_F(Relu1dCommand, ThePapersErm) {
  const ProgramResult r = run({"--rng", "torch", "--seed", "0"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.out, HasSubstr("slope change"));
  const Json s = summary();
  EXPECT_NEAR(s["iterations"], 10525, 100);
  EXPECT_EQ(s["ended_by"], "loss");
  EXPECT_NEAR(s["loss"], 1e-5, 1e-6);
  EXPECT_LE(s["loss_perturbed"], 1e-5);
  EXPECT_EQ(s["kinks"], 40);
  EXPECT_EQ(s["kinks_large"], 37);
  EXPECT_NEAR(s["slope_change"], 441.1, 0.1);
  EXPECT_NEAR(s["variation"], 26.14, 0.01);
  EXPECT_NEAR(s["path_norm"], 727.6, 0.1);

  // The numbers of the summary, from the files beside it.
  double slopes = 0, variation = 0;
  int64_t kinks = 0;
  for (const auto& kink : table("kinks.csv", "x,slope_change,units")) {
    slopes += std::abs(kink[1]);
    kinks += std::abs(kink[1]) > 0.5 ? 1 : 0;
  }
  EXPECT_EQ(kinks, 40);
  EXPECT_NEAR(slopes, s["slope_change"], 1e-9);
  const auto f = table("function.csv", "x,f");
  EXPECT_EQ(f.size(), 286U);
  for (size_t i = 1; i < f.size(); ++i) variation += std::abs(f[i][1] - f[i - 1][1]);
  EXPECT_NEAR(variation, s["variation"], 1e-9);
  Relu1dWeights weights;
  for (const auto& unit : table("weights.csv", "w,b,a")) {
    weights.w.push_back(static_cast<float>(unit[0]));
    weights.b.push_back(static_cast<float>(unit[1]));
    weights.a.push_back(static_cast<float>(unit[2]));
  }
  EXPECT_EQ(weights.w.size(), 100U);
  EXPECT_EQ(f[100][1], relu1d_value(weights, f[100][0]));
  EXPECT_EQ(table("points.csv", "x,y").size(), 12U);
  const auto curves =
      table("curves.csv",
            "step,loss,loss_perturbed,kinks,kinks_large,slope_change,variation,path_norm,norm");
  EXPECT_EQ(curves.front()[0], 1);
  EXPECT_NEAR(curves.front()[2], 147429.4, 0.5);
  EXPECT_EQ(curves.back()[0], s["iterations"]);
  EXPECT_EQ(curves.back()[1], s["loss"]);
}

TEST_F(Relu1dCommand, SeveralSeedsAreRunsOfTheirOwn) {
  const Words words{"--rho", "0.3", "--steps", "3000", "--quiet"};
  ASSERT_EQ(run(words + Words{"--seed", "4", "--threads", "1"}).code, 0);
  const std::string alone = file("summary.json"), curves = file("curves.csv");
  const ProgramResult r = run(words + Words{"--seed", "4,0,1", "--threads", "3"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out, "");
  EXPECT_EQ(file("seed-4/summary.json"), alone);
  EXPECT_EQ(file("seed-4/curves.csv"), curves);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("out/summary.json")));  // the earlier run's
  const std::string sweep = file("sweep.csv");
  EXPECT_THAT(sweep, testing::StartsWith("seed,iterations,ended_by,loss,"));
  EXPECT_EQ(std::count(sweep.begin(), sweep.end(), '\n'), 4);
  EXPECT_THAT(sweep, HasSubstr("\n4,3000,steps,"));
  EXPECT_GT(summary("seed-1/summary.json")["loss_perturbed"], 1);
}

TEST_F(Relu1dCommand, OptionsOfTheRule) {
  const auto loss = [&](const Words& words) {
    const ProgramResult r = run(Words{"--steps", "400", "--quiet"} + words);
    EXPECT_EQ(r.code, 0) << r.err;
    return summary()["loss"].get<double>();
  };
  const double plain = loss({}), sam = loss({"--rho", "0.3"});
  EXPECT_NE(plain, sam);
  EXPECT_NE(loss({"--rho", "0.001", "--unnormalised"}), loss({"--rho", "0.001"}));
  // Decay is SAM's own, unless it is asked for.
  const Words soon{"--decay-steps", "200"};
  EXPECT_EQ(loss(soon), plain);
  EXPECT_NE(loss(soon + Words{"--rho", "0.3"}), sam);
  EXPECT_NE(loss(soon + Words{"--lr-decay", "always"}), plain);
  EXPECT_EQ(loss(soon + Words{"--rho", "0.3", "--lr-decay", "never"}),
            loss({"--rho", "0.3", "--lr-decay", "never"}));
  // SAM's perturbed loss is far above that of its weights.
  const Words stop{"--rho", "0.3", "--stop-loss", "300"};
  loss(stop + Words{"--stop-on", "plain"});
  EXPECT_EQ(summary()["ended_by"], "loss");
  loss(stop);
  EXPECT_EQ(summary()["ended_by"], "steps");
}

TEST_F(Relu1dCommand, DataFromAFile) {
  const Regression paper = relu1d_points();
  std::string csv = "# x, y\n";
  std::vector<double> array;
  for (int64_t k = 0; k < paper.n; ++k) {
    csv += fmt::format("{}, {}\n", paper.x[k], paper.y[k]);
    array.push_back(paper.x[k]), array.push_back(paper.y[k]);
  }
  write_bytes(folder_.file("points.csv"), csv);
  write_npy(folder_.file("points.npy"), host_tensor("", DType::Float64, {12, 2}, array));
  const Words words{"--steps", "500", "--quiet"};
  ASSERT_EQ(run(words).code, 0);
  const std::string curves = file("curves.csv"), function = file("function.csv");
  for (const char* name : {"points.csv", "points.npy"}) {
    ASSERT_EQ(run(words + Words{"--data", folder_.file(name)}).code, 0);
    EXPECT_EQ(file("curves.csv"), curves);
    EXPECT_EQ(file("function.csv"), function);
    EXPECT_EQ(summary()["data"], folder_.file(name));
  }
  write_bytes(folder_.file("one.csv"), "1,2\n");
  ASSERT_EQ(run(words + Words{"--data", folder_.file("one.csv"), "--units", "3"}).code, 0);
  EXPECT_EQ(summary()["points"], 1);
}

TEST_F(Relu1dCommand, DivergenceIsSaid) {
  const ProgramResult r = run({"--lr", "1"});
  expect_failure(r, 1, {"relu1d", "not finite in step", "--lr"});
  EXPECT_EQ(summary()["ended_by"], "diverged");
  EXPECT_TRUE(summary()["loss"].is_null());
  ASSERT_EQ(run({"--lr", "1", "--seed", "0,1", "--quiet"}).code, 0);  // marked in the sweep
  EXPECT_THAT(file("sweep.csv"), HasSubstr(",diverged,,,0,0,,,,\n"));
}

TEST_F(Relu1dCommand, WrongUse) {
  const auto refused = [&](const Words& words, const Words& parts) {
    SCOPED_TRACE(testing::PrintToString(words));
    expect_failure(run(words), 2, parts);
    EXPECT_FALSE(std::filesystem::exists(folder_.file("out/summary.json")));
  };
  refused({"--rho", "-1"}, {"--rho", "found -1", "expected a number >= 0"});
  refused({"--lr", "0"}, {"--lr", "found 0"});
  refused({"--steps", "0"}, {"--steps", "found 0"});
  refused({"--rng", "numpy"}, {"--rng", "'numpy'", "philox or torch"});
  refused({"--lr-decay", "sam"}, {"--lr-decay", "'sam'", "sam-only"});
  refused({"--seed", "0,x"}, {"--seed", "found 0,x", "as 0,1,2"});
  refused({"--seed", "1,2,1"}, {"--seed", "found 1 twice", "once"});
  refused({"--seed", "-1"}, {"--seed", "found -1"});
  refused({"--units", "15", "--rng", "torch"}, {"--units", "found 15", "at least 16"});
  refused({"--data", folder_.file("none.csv")}, {"none.csv", "No such file"});
  write_bytes(folder_.file("wide.csv"), "1,2,3\n");
  refused({"--data", folder_.file("wide.csv")}, {"wide.csv", "found 2 features", "expected one"});
  write_bytes(folder_.file("bad.csv"), "1,2\n1,x\n");
  refused({"--data", folder_.file("bad.csv")}, {"bad.csv:2", "'x' in column 2"});
  write_bytes(folder_.file("taken"), "");
  expect_failure(run_program({"relu1d", "--out", folder_.file("taken")}), 2, {"--out", "taken"});
}

TEST(Relu1dOptions, LoggedSteps) {
  EXPECT_EQ(relu1d_logged(1, 1000), (std::vector<int64_t>{1, 10, 100, 1000}));
  EXPECT_EQ(relu1d_logged(2, 40), (std::vector<int64_t>{1, 3, 10, 32, 40}));
  EXPECT_EQ(relu1d_logged(1000, 12), (std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(relu1d_logged(20, 1), (std::vector<int64_t>{1}));
}

}  // namespace
}  // namespace basin::test
