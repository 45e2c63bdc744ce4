#include "tools/relu1d_runs.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "tools/stopwatch.h"

namespace basin {
namespace {

// Steps of a run between two looks at the progress: about a tenth of a second.
constexpr int64_t kStepsAtOnce = 200'000;

Regression points_of(const std::string& path) {
  Regression data = read_regression(path);
  BASIN_CHECK(data.d == 1, path, "found {} features, expected one: x and then y", data.d);
  return data;
}

// Of what is left, however finite, nothing is worth knowing.
Relu1dRow diverged_row(int64_t step) {
  const double nan = std::nan("");
  return {step,
          nan,
          {.loss = nan, .slope_change = nan, .variation = nan, .path_norm = nan, .norm = nan}};
}

}  // namespace

Relu1dRuns::Relu1dRuns(const Stream& stream, Relu1dOptions options)
    : stream_(stream),
      o_(std::move(options)),
      data_(o_.data.empty() ? relu1d_points() : points_of(o_.data)),
      view_(relu1d_view(data_)),
      progress_(o_.seeds.size()),
      rows_(o_.seeds.size()) {
  for (const uint64_t seed : o_.seeds) {
    Relu1dStart start = o_.start;
    start.seed = seed;
    const Relu1dWeights first = make_relu1d_weights(start);
    for (const auto& part : {first.w, first.b, first.a}) {
      all_.insert(all_.end(), part.begin(), part.end());
    }
  }
}

Relu1dWeights Relu1dRuns::weights(size_t i) const {
  const int64_t units = o_.start.units;
  const auto part = [&](int64_t which) {
    const auto begin = all_.begin() + (static_cast<int64_t>(i) * 3 + which) * units;
    return std::vector<float>(begin, begin + units);
  };
  return {part(0), part(1), part(2)};
}

int64_t Relu1dRuns::steps_done() const {
  int64_t steps = 0;
  for (const Relu1dProgress& p : progress_) steps += p.steps;
  return steps;
}

// A row for each run that has moved since its last.
void Relu1dRuns::log() {
  for (size_t i = 0; i < rows_.size(); ++i) {
    const Relu1dProgress& p = progress_[i];
    if (!rows_[i].empty() && rows_[i].back().step == p.steps) continue;
    rows_[i].push_back({p.steps, p.loss_perturbed, measure(weights(i), data_, view_)});
    if (p.end == Relu1dEnd::Diverged) rows_[i].back() = diverged_row(p.steps);
  }
}

void Relu1dRuns::run(const std::function<void(int64_t)>& progress) {
  const auto m = static_cast<int64_t>(o_.seeds.size());
  const std::vector<float> x(data_.x.begin(), data_.x.end()), y(data_.y.begin(), data_.y.end());
  std::vector<float> scratch(relu1d_scratch<float>(stream_, o_.start.units, data_.n, m));
  const Stopwatch watch;
  int64_t done = 0;
  const auto running = [&] {
    return std::any_of(progress_.begin(), progress_.end(),
                       [](const auto& p) { return p.end == Relu1dEnd::None; });
  };
  for (const int64_t logged : relu1d_logged(o_.log, o_.steps)) {
    while (done < logged && running()) {
      done = std::min(logged, done + kStepsAtOnce);
      relu1d_run<float>(stream_, {data_.n, x.data(), y.data()}, o_.start.units, m, o_.rule(), done,
                        all_.data(), progress_.data(), scratch.data());
      progress(done);
    }
    log();
  }
  seconds_ = watch.seconds();
}

}  // namespace basin
