#include "models/diagonal_sweep.h"

#include <algorithm>

#include "kernels/error.h"

namespace basin {
namespace {

template <class T>
Buffer placed(const Stream& stream, std::span<const T> values) {
  Buffer buffer(stream, static_cast<int64_t>(values.size_bytes()));
  copy_to_device(stream, buffer.data(), values.data(), buffer.bytes());
  return buffer;
}
template <class T>
Buffer placed(const Stream& stream, const std::vector<T>& values) {
  return placed(stream, std::span<const T>(values));
}

template <class T>
T* as(const Buffer& buffer) {
  return reinterpret_cast<T*>(buffer.data());
}

// The same array of every problem, one behind the other.
template <class Get>
Buffer placed_each(const Stream& stream, const std::vector<SparseRegression>& problems,
                   const Get& get) {
  std::vector<double> all;
  for (const SparseRegression& p : problems) {
    const std::vector<double>& values = get(p);
    all.insert(all.end(), values.begin(), values.end());
  }
  return placed(stream, all);
}

// Those of the iterations [first, first + steps).
std::span<const int64_t> within(std::span<const int64_t> iterations, int64_t first, int64_t steps) {
  const auto begin = std::lower_bound(iterations.begin(), iterations.end(), first);
  return {begin, std::lower_bound(begin, iterations.end(), first + steps)};
}

}  // namespace

DiagonalSweep::DiagonalSweep(const Stream& stream, std::vector<SparseRegression> problems,
                             std::vector<DiagonalTrajectory> each)
    : stream_(stream),
      problems_(std::move(problems)),
      n_(problems_[0].train.n),
      d_(problems_[0].train.d),
      tests_(problems_[0].test.n),
      rows_(each.size()) {
  const auto m = static_cast<int64_t>(each.size());
  x_ = placed_each(stream, problems_, [](const auto& p) { return p.train.x; });
  y_ = placed_each(stream, problems_, [](const auto& p) { return p.train.y; });
  x_test_ = placed_each(stream, problems_, [](const auto& p) { return p.test.x; });
  y_test_ = placed_each(stream, problems_, [](const auto& p) { return p.test.y; });
  theta_ = placed_each(stream, problems_, [](const auto& p) { return p.theta; });
  std::vector<double> start;
  for (const DiagonalTrajectory& one : each) start.insert(start.end(), d_, one.alpha);
  u_ = placed(stream, start);
  const std::vector<double> zeros(m * d_, 0.0);
  v_ = placed(stream, zeros), exponent_ = placed(stream, zeros);
  integral_ = placed(stream, std::vector<double>(m, 0.0));
  diverged_ = placed(stream, std::vector<int64_t>(m, -1));
  scratch_ = Buffer(stream, diagonal_scratch<double>(stream, n_, d_, tests_) * 8);
  set_rules(std::move(each));
}

void DiagonalSweep::set_rules(std::vector<DiagonalTrajectory> each) {
  each_ = std::move(each);
  trajectories_ = placed(stream_, each_);
}

std::vector<double> DiagonalSweep::part(const Buffer& buffer, int64_t m) const {
  std::vector<double> values(d_);
  copy_to_host(stream_, values.data(), as<double>(buffer) + m * d_, d_ * 8);
  return values;
}

int64_t DiagonalSweep::diverged(int64_t m) const {
  int64_t iteration = -1;
  copy_to_host(stream_, &iteration, as<int64_t>(diverged_) + m, sizeof(iteration));
  return iteration;
}

// NumPy's next indices, [problems, steps]; empty where SGD draws by Philox, or there is none.
Buffer DiagonalSweep::draws(int64_t steps) {
  const bool drawn = std::any_of(each_.begin(), each_.end(), [](const auto& one) {
    return one.algorithm == DiagonalAlgorithm::Sgd;
  });
  std::vector<int32_t> indices;
  for (SparseRegression& p : problems_) {
    if (!drawn || !p.draws) continue;
    for (int64_t i = 0; i < steps; ++i) {
      indices.push_back(static_cast<int32_t>(p.draws->below(static_cast<uint32_t>(n_))));
    }
  }
  return indices.empty() ? Buffer() : placed(stream_, indices);
}

void DiagonalSweep::run(int64_t steps, std::span<const int64_t> logged,
                        std::span<const int64_t> halvings) {
  const auto m = static_cast<int64_t>(each_.size());
  const std::span<const int64_t> log = within(logged, done_, steps);
  const auto logs = static_cast<int64_t>(log.size());
  const Buffer iterations = placed(stream_, log), halve = placed(stream_, halvings);
  const Buffer indices = draws(steps);
  std::vector<double> values(m * logs * kDiagonalColumns);
  const Buffer rows(stream_, static_cast<int64_t>(values.size()) * 8);
  diagonal_run<double>(
      stream_,
      {n_, d_, tests_, as<double>(x_), as<double>(y_), as<double>(x_test_), as<double>(y_test_),
       problems_[0].theta.empty() ? nullptr : as<double>(theta_)},
      m, as<DiagonalTrajectory>(trajectories_),
      {done_, steps, as<int64_t>(halve), static_cast<int64_t>(halvings.size()),
       as<int64_t>(iterations), logs, indices.bytes() == 0 ? nullptr : as<int32_t>(indices), steps},
      {as<double>(u_), as<double>(v_), as<double>(exponent_), as<double>(integral_),
       as<int64_t>(diverged_), as<double>(rows)},
      as<double>(scratch_));
  copy_to_host(stream_, values.data(), rows.data(), rows.bytes());
  const double* next = values.data();
  for (auto& own : rows_) {
    for (const int64_t iteration : log) {
      own.push_back({iteration, {}});
      std::copy_n(next, own.back().values.size(), own.back().values.begin());
      next += kDiagonalColumns;
    }
  }
  done_ += steps;
}

}  // namespace basin
