#include "tools/step_bench.h"

#include <algorithm>
#include <chrono>

#include "engine/device.h"
#include "kernels/elementwise.h"
#include "kernels/random.h"
#include "kernels/reduce.h"

namespace basin {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUp = 3;
constexpr double kLearningRate = 0.01;

template <class Body>
double milliseconds(const Body& body) {
  const auto start = Clock::now();
  body();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

StepBench::StepBench(const ModelOptions& network, const StepOptions& o)
    : options_(o),
      stream_(Stream::cpu(o.threads)),
      state_(stream_, network, DType::Float32, o, 0),
      gradient_(state_.weights.sibling(stream_)),
      point_(state_.weights.sibling(stream_)),
      velocity_(state_.weights.sibling(stream_)),
      partials_(stream_, reduce_partials(state_.weights.size()) * int64_t{sizeof(double)}),
      images_(o.batch * network.h * network.w * network.c),
      labels_(o.batch),
      passes_(o.optimizer.name == "sgd" ? 1 : 1 + o.optimizer.sam_steps) {
  for (size_t i = 0; i < images_.size(); ++i) {
    images_[i] = static_cast<float>(normal(philox_at(0, Purpose::Data, 0, i)));
  }
  for (size_t i = 0; i < labels_.size(); ++i) {
    labels_[i] = static_cast<int32_t>(i) % static_cast<int32_t>(network.classes);
  }
  zero(stream_, velocity_.data(), velocity_.size() * int64_t{sizeof(float)});
  state_.replay->bind(images_.data(), labels_.data());
  for (int i = 0; i < kWarmUp; ++i) measure();
}

template <class Body>
std::vector<ThreadTrace> StepBench::traced(const Body& body) {
  ChunkedReplay& replay = *state_.replay;
  const size_t chunks = ceil_div<int64_t>(options_.batch, replay.chunk());
  const ThreadTrace empty(Clock::now(), 2 * passes_ * chunks * replay.program().nodes.size());
  std::vector<ThreadTrace> threads(replay.replayers(), empty);
  replay.observe([&](int t) -> ReplayObserver* { return &threads[t]; });
  body();
  replay.observe([](int) -> ReplayObserver* { return nullptr; });
  return threads;
}

std::pair<std::vector<ThreadTrace>, double> StepBench::trace() {
  double ms = 0;
  auto threads = traced([&] {
    ms = milliseconds(
        [&] { state_.optimizer->step(*state_.replay, state_.weights, kLearningRate); });
  });
  return {std::move(threads), ms};
}

void StepBench::time_passes(StepTimes& t) {
  const auto threads =
      traced([&] { state_.replay->differentiate(state_.weights, gradient_, Track::No); });
  const Program& program = state_.replay->program();
  // Milliseconds of all passes; the threads share the work.
  const double scale = passes_ / 1e3 / static_cast<double>(threads.size());
  for (const ThreadTrace& thread : threads) {
    for (const TraceEvent& e : thread.events()) {
      (e.pass == Pass::Forward ? t.forward : t.backward) += scale * e.time;
      if (work_of(program, e.node, e.pass).flops > 0) t.products += scale * e.time;
    }
  }
}

StepTimes StepBench::measure() {
  StepTimes t;
  const auto step = [&] { state_.optimizer->step(*state_.replay, state_.weights, kLearningRate); };
  step();  // wakes the threads, and brings the weights back to the caches
  t.step = milliseconds(step);
  time_passes(t);

  const int64_t n = state_.weights.size();
  float *w = point_.as<float>(), *g = gradient_.as<float>(), *v = velocity_.as<float>();
  double squared = 0;
  const double rate = 0, rho = options_.optimizer.rho;  // a rate of 0 leaves the point in place
  if (passes_ > 1) {
    t.norm = (passes_ - 1) * milliseconds([&] {
               squared_norm(stream_, n, g, reinterpret_cast<double*>(partials_.data()), &squared);
             });
    t.ascent = (passes_ - 1) * milliseconds([&] {
                 map<float>(stream_, SamAscent<float>{&squared, &rho, Normalise::Yes}, n,
                            {state_.weights.as<float>(), g}, {w});
               });
  }
  t.descent = milliseconds([&] {
    map<float>(stream_, MomentumDescent<float>{&rate, 0.9F, 0.0F, Nesterov::No, Decay::L2}, n,
               {w, g, v}, {w, v});
  });
  return t;
}

int64_t StepBench::update_bytes() const {
  const int64_t n = state_.weights.size();
  int64_t bytes = element_cost<MomentumDescent<float>, float>(n).bytes();
  if (passes_ > 1) {
    bytes += (passes_ - 1) *
             (n * int64_t{sizeof(float)} + element_cost<SamAscent<float>, float>(n).bytes());
  }
  return bytes;
}

double StepBench::update_bandwidth() const {
  const int64_t n = state_.weights.size();
  std::vector<float> x(n, 1), y(n, 1);
  double best = 0;
  for (int i = 0; i < 20; ++i) {
    const double ms = milliseconds([&] {
      map<float>(stream_, Add<float>{}, n, {y.data(), x.data()}, {y.data()});
    });
    best =
        std::max(best, 1e3 * static_cast<double>(element_cost<Add<float>, float>(n).bytes()) / ms);
  }
  return best;
}

}  // namespace basin
