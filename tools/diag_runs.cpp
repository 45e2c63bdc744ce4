#include "tools/diag_runs.h"

#include <algorithm>

#include "kernels/error.h"
#include "tools/stopwatch.h"

namespace basin {
namespace {

// Steps of all trajectories between two looks at the progress: about a tenth of a second of a CPU.
constexpr int64_t kStepsAtOnce = 1'000'000;

bool has_radius(DiagonalAlgorithm algorithm) {
  return algorithm == DiagonalAlgorithm::NSam || algorithm == DiagonalAlgorithm::OneSam;
}

}  // namespace

std::vector<SparseRegression> diag_problems(const DiagOptions& o) {
  std::vector<SparseRegression> problems;
  Regression train, test;
  if (!o.data.empty()) train = read_regression(o.data);
  if (!o.test_data.empty()) {
    test = read_regression(o.test_data);
    BASIN_CHECK(test.d == train.d, "--test-data", "found {} features in {}, expected the {} of {}",
                test.d, o.test_data, train.d, o.data);
  }
  for (const uint64_t seed : o.seeds) {
    SparseRegressionOptions own = o.problem;
    own.seed = seed;
    if (!o.data.empty()) own.n = own.d = own.sparsity = 1, own.tests = 0;
    SparseRegression problem = make_sparse_regression(own);
    if (!o.data.empty()) {
      problem.train = train, problem.test = test, problem.theta.clear();
      if (problem.draws) problem.draws.emplace(static_cast<uint32_t>(seed));
    }
    for (int64_t i = 0; i < o.skip_draws; ++i) {
      problem.draws->below(static_cast<uint32_t>(problem.train.n));
    }
    problems.push_back(std::move(problem));
  }
  return problems;
}

DiagRuns::DiagRuns(const Stream& stream, DiagOptions options)
    : stream_(stream), o_(std::move(options)) {
  std::vector<SparseRegression> problems = diag_problems(o_);
  n_ = problems[0].train.n, d_ = problems[0].train.d;
  if (o_.gammas.empty()) o_.gammas = {5.0 / static_cast<double>(d_)};
  std::vector<DiagonalTrajectory> start;
  for (const DiagonalAlgorithm algorithm : o_.algorithms) {
    for (size_t s = 0; s < o_.seeds.size(); ++s) {
      for (const double alpha : o_.alphas) {
        for (const double gamma : o_.gammas) {
          for (const double rho : has_radius(algorithm) ? o_.rhos : std::vector<double>{0}) {
            settings_.push_back({algorithm, o_.seeds[s], alpha, gamma, rho});
            rhos_.push_back(has_radius(algorithm) ? rho : o_.rhos[0]);
            start.push_back({.algorithm = algorithm,
                             .problem = static_cast<int64_t>(s),
                             .seed = o_.seeds[s],
                             .alpha = alpha});
          }
        }
      }
    }
  }
  sweep_ = std::make_unique<DiagonalSweep>(stream, std::move(problems), std::move(start));
}

int64_t DiagRuns::steps() const {
  int64_t steps = o_.first.steps;
  for (const DiagStage& stage : o_.then) steps += stage.steps;
  return steps;
}

// Each trajectory's, as `stage` says: of the first one its own algorithm and rates.
std::vector<DiagonalTrajectory> DiagRuns::rules(const DiagStage& stage) {
  const bool first = &stage == &o_.first;
  std::vector<DiagonalTrajectory> each = sweep_->each();
  for (size_t m = 0; m < each.size(); ++m) {
    DiagonalTrajectory& one = each[m];
    if (!first) {
      one.algorithm = stage.algorithm;
      rhos_[m] = stage.rho.value_or(rhos_[m]);
    }
    const double rho = rhos_[m];
    one.gamma = first ? settings_[m].gamma : stage.gamma.value_or(one.gamma);
    const bool doubled =
        one.algorithm == DiagonalAlgorithm::OneSam && o_.convention == RhoConvention::Code;
    one.radius = has_radius(one.algorithm) ? (doubled ? 2 * rho : rho) : 0;
    one.normalise = stage.normalised ? Normalise::Yes : Normalise::No;
    one.features = stage.derivative_only ? Features::Plain : Features::Perturbed;
    one.decay = stage.decay, one.balance = stage.balancedness;
  }
  return each;
}

void DiagRuns::run(const std::function<void(int64_t)>& progress) {
  std::vector<const DiagStage*> stages{&o_.first};
  for (const DiagStage& stage : o_.then) stages.push_back(&stage);
  const auto m = static_cast<int64_t>(settings_.size());
  const Stopwatch watch;
  int64_t first = 0;
  for (const DiagStage* stage : stages) {
    sweep_->set_rules(rules(*stage));
    std::vector<int64_t> logged;
    if (single()) {
      logged = logged_iterations(o_.log, stage->steps);
    } else if (stage == stages.back()) {
      logged = {stage->steps - 1};
    }
    for (int64_t& iteration : logged) iteration += first;
    const int64_t end = first + stage->steps;
    // A GPU has a stage in one launch, and so one look.
    const int64_t at_once =
        stream_.is_cuda() ? stage->steps : std::max<int64_t>(1, kStepsAtOnce / m);
    while (sweep_->done() < end) {
      sweep_->run(std::min(at_once, end - sweep_->done()), logged,
                  first == 0 ? o_.halvings : std::vector<int64_t>());
      progress(sweep_->done());
    }
    first = end;
  }
  stream_.synchronize();
  seconds_ = watch.seconds();
}

std::vector<DiagonalRow> DiagRuns::rows(int64_t m) const {
  std::vector<DiagonalRow> rows = sweep_->rows(m);
  const int64_t diverged = sweep_->diverged(m);
  if (diverged < 0) return rows;
  rows.erase(
      std::lower_bound(rows.begin(), rows.end(), diverged,
                       [](const DiagonalRow& row, int64_t at) { return row.iteration < at; }),
      rows.end());
  return rows;
}

}  // namespace basin
