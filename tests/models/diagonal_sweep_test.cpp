// The paper's own runs, number by number, and what its theory says of a long one.
#include "models/diagonal_sweep.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

#include "tests/support/diagonal_golden.h"

namespace basin::test {
namespace {

SparseRegression paper_problem() {
  return make_sparse_regression({.rng = DataRng::Numpy});
}

DiagonalTrajectory rule_of(const GoldenRun& run) {
  const std::string name = run.algorithm;
  DiagonalTrajectory one{.alpha = run.alpha, .gamma = run.gamma};
  one.algorithm = name == "gd"     ? DiagonalAlgorithm::Gd
                  : name == "sgd"  ? DiagonalAlgorithm::Sgd
                  : name == "nsam" ? DiagonalAlgorithm::NSam
                                   : DiagonalAlgorithm::OneSam;
  one.radius = name == "1sam" ? 2 * run.rho : run.rho;  // the code's convention
  return one;
}

// The notebook's runs of SGD stand behind five others of 10,001 draws.
std::vector<DiagonalRow> rows_of(const GoldenRun& run, const std::vector<int64_t>& logged) {
  SparseRegression problem = paper_problem();
  const std::string name = run.name;
  const int before = name == "c3_SGD_0.1111" ? 5 : name == "c3_SGD_0.3333" ? 6 : 0;
  for (int i = 0; i < before * 10001; ++i) problem.draws->below(20);
  const GoldenRun* first = nullptr;
  for (const GoldenRun& other : golden_runs()) {
    if (other.name == std::string(run.begins_behind)) first = &other;
  }
  DiagonalSweep sweep(Stream::cpu(1), {std::move(problem)}, {rule_of(first ? *first : run)});
  if (first != nullptr) {
    sweep.run(first->steps, {});
    sweep.set_rules({rule_of(run)});
  }
  sweep.run(run.steps, logged);
  return sweep.rows(0);
}

// 1-SAM at rho = 0.3 leaves one saddle after the other, and each multiplies a rounding error by as
// much as it multiplies a feature: NumPy itself, summing in another order, is off by 1e-7 there.
double tolerance_of(const GoldenRun& run) {
  return run.name == std::string("c3_1SAM_0.3") ? 1e-6 : 1e-10;
}

TEST(DiagonalGolden, TheNotebooksRuns) {
  for (const GoldenRun& run : golden_runs()) {
    SCOPED_TRACE(run.name);
    std::vector<int64_t> logged;
    for (const GoldenPoint& point : run.points) logged.push_back(point.iteration);
    const std::vector<DiagonalRow> rows = rows_of(run, logged);
    ASSERT_EQ(rows.size(), run.points.size());
    const double tolerance = tolerance_of(run);
    for (size_t i = 0; i < rows.size(); ++i) {
      const GoldenPoint& point = run.points[i];
      EXPECT_EQ(rows[i].iteration, point.iteration);
      EXPECT_NEAR(rows[i].values[kTrainLoss] / point.train_loss, 1, tolerance) << point.iteration;
      EXPECT_NEAR(rows[i].values[kTestLoss] / point.test_loss, 1, tolerance) << point.iteration;
    }
    const auto& end = rows.back().values;
    EXPECT_NEAR(end[kL1] / run.l1, 1, tolerance);
    EXPECT_NEAR(end[kErrorSquared] / run.error_squared, 1, tolerance);
    // u^2 - v^2, as it was computed there, loses what is common to both squares.
    EXPECT_NEAR(end[kDifferenceMax], run.difference_max, 1e-15 + 1e-9 * run.difference_max);
    EXPECT_NEAR(end[kScaleMean], run.scale_mean, 1e-8 + 1e-9 * run.scale_mean);
  }
}

// All 566 points of every run, where BASIN_GOLDEN names the folder of diag_curves.csv.
TEST(DiagonalGolden, WholeCurves) {
  const char* folder = std::getenv("BASIN_GOLDEN");
  if (folder == nullptr) {
    std::cout << "[  NOTE    ] BASIN_GOLDEN is not set: whole curves are not compared\n";
    return;
  }
  std::map<std::string, std::vector<GoldenPoint>> curves;
  std::ifstream file(std::string(folder) + "/diag_curves.csv");
  ASSERT_TRUE(file);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::vector<std::string> fields;
    std::stringstream words(line);
    for (std::string word; std::getline(words, word, ',');) fields.push_back(word);
    curves[fields[0]].push_back({std::stoi(fields[1]), std::stod(fields[2]), std::stod(fields[3])});
  }
  for (const GoldenRun& run : golden_runs()) {
    const std::vector<GoldenPoint>& points = curves.at(run.name);
    std::vector<int64_t> logged;
    for (const GoldenPoint& point : points) logged.push_back(point.iteration);
    const std::vector<DiagonalRow> rows = rows_of(run, logged);
    ASSERT_EQ(rows.size(), points.size()) << run.name;
    double worst = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      worst = std::max(worst, std::abs(rows[i].values[kTrainLoss] / points[i].train_loss - 1));
      worst = std::max(worst, std::abs(rows[i].values[kTestLoss] / points[i].test_loss - 1));
    }
    std::cout << run.name << ": at most " << worst << " from NumPy's, relatively\n";
    EXPECT_LE(worst, std::max(1e-9, tolerance_of(run))) << run.name;
  }
}

// A million steps (paper: alpha = 0.02, gamma = 0.1, rho = 0.1 for both): the weights end where the
// flow's theory says, and the run's numbers are those of an independent one.
TEST(DiagonalGolden, AMillionSteps) {
  struct Case {
    DiagonalAlgorithm algorithm;
    double l1, error, integral, exponent, scale, predicted;
  };
  using enum DiagonalAlgorithm;
  for (const Case& c : {Case{Gd, 1.54817, 1.126e-3, 2.927, 0, 0.019635, 0.02},
                        {NSam, 0, 0, 3.033, 1.167, 0.018912, 0.019259},
                        {OneSam, 1.51885, 1.951e-4, 3.348, 22.50, 0.009953, 0.010156}}) {
    DiagonalTrajectory one{.alpha = 0.02, .gamma = 0.1, .radius = 0.1};
    one.algorithm = c.algorithm;
    DiagonalSweep sweep(Stream::cpu(1), {paper_problem()}, {one});
    sweep.run(1'000'000, std::vector<int64_t>{999'999});
    const auto& end = sweep.rows(0)[0].values;
    double sum = 0, predicted = 0;
    for (const double e : sweep.exponent(0))
      sum += std::abs(e), predicted += 0.02 * std::exp(-e) / 30;
    if (c.algorithm != NSam) {
      EXPECT_NEAR(end[kL1], c.l1, 6e-6);
      EXPECT_NEAR(end[kErrorSquared] / c.error, 1, 5e-4);
    }
    EXPECT_NEAR(end[kLossIntegral], c.integral, 6e-4);
    EXPECT_NEAR(sum, c.exponent, 6e-4 * c.exponent);
    EXPECT_NEAR(end[kScaleMean], c.scale, 6e-7);
    EXPECT_NEAR(predicted, c.predicted, 6e-7);
    EXPECT_LT(end[kTrainLoss], 1e-14);
  }
}

// Parts of a run, and several problems beside each other, are the run.
TEST(DiagonalSweep, PartsAndProblems) {
  std::vector<SparseRegression> problems;
  std::vector<DiagonalTrajectory> each;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    problems.push_back(make_sparse_regression({.tests = 10, .rng = DataRng::Numpy, .seed = seed}));
    for (int k = 0; k < 5; ++k) {
      each.push_back({.algorithm = DiagonalAlgorithm::Sgd, .alpha = 0.1, .gamma = 0.02 + 0.01 * k});
      each.back().problem = static_cast<int64_t>(seed), each.back().seed = seed;
    }
  }
  const std::vector<int64_t> logged{0, 5, 99, 199};
  DiagonalSweep all(Stream::cpu(2), problems, each);
  all.run(60, logged);
  all.run(140, logged);
  EXPECT_EQ(all.done(), 200);
  for (size_t m = 0; m < each.size(); ++m) {
    DiagonalTrajectory alone = each[m];
    alone.problem = 0;
    DiagonalSweep one(Stream::cpu(1), {problems[each[m].problem]}, {alone});
    one.run(200, logged);
    EXPECT_EQ(one.u(0), all.u(static_cast<int64_t>(m))) << m;
    ASSERT_EQ(all.rows(static_cast<int64_t>(m)).size(), 4U);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(one.rows(0)[i].iteration, logged[i]);
      EXPECT_EQ(all.rows(static_cast<int64_t>(m))[i].values[kTestLoss],
                one.rows(0)[i].values[kTestLoss]);
    }
    EXPECT_EQ(one.diverged(0), -1);
  }
}

}  // namespace
}  // namespace basin::test
