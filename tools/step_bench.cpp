#include "tools/step_bench.h"

#include <algorithm>

#include "engine/device.h"
#include "kernels/elementwise.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "tools/chunk_choice.h"
#include "tools/execution_choice.h"
#include "tools/kernel_runs.h"
#include "tools/op_cost.h"
#include "tools/stopwatch.h"

namespace basin {
namespace {

constexpr int kWarmUp = 3;
constexpr int kUpdates = 20;  // of a graph that times an update
constexpr double kLearningRate = 0.01;

StepOptions with_choices(const Stream& stream, const ModelOptions& network, StepOptions options) {
  choose_chunk(stream, network, DType::Float32, options);
  choose_execution(stream, network, DType::Float32, options);
  return options;
}

}  // namespace

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

StepBench::StepBench(const Stream& stream, const ModelOptions& network, const StepOptions& o)
    : options_(with_choices(stream, network, o)),
      stream_(stream),
      state_(stream_, network, DType::Float32, options_, 0),
      gradient_(state_.weights.sibling(stream_)),
      point_(state_.weights.sibling(stream_)),
      velocity_(state_.weights.sibling(stream_)),
      partials_(stream_, reduce_partials(state_.weights.size()) * int64_t{sizeof(double)}),
      scalars_(stream_, kScalars * int64_t{sizeof(double)}),
      images_(stream_, o.batch * network.h * network.w * network.c * int64_t{sizeof(float)}),
      labels_(stream_, o.batch * int64_t{sizeof(int32_t)}),
      passes_(o.optimizer.name == "sgd" ? 1 : 1 + o.optimizer.sam_steps) {
  std::vector<float> images(o.batch * network.h * network.w * network.c);
  std::vector<int32_t> labels(o.batch);
  for (size_t i = 0; i < images.size(); ++i) {
    images[i] = static_cast<float>(normal(philox_at(0, Purpose::Data, 0, i)));
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    labels[i] = static_cast<int32_t>(i) % static_cast<int32_t>(network.classes);
  }
  copy_to_device(stream_, images_.data(), images.data(), images_.bytes());
  copy_to_device(stream_, labels_.data(), labels.data(), labels_.bytes());
  const double scalars[kScalars] = {kLearningRate, 0, o.optimizer.rho, 0};
  copy_to_device(stream_, scalars_.data(), scalars, scalars_.bytes());
  state_.replay->bind(images_.data(), reinterpret_cast<const int32_t*>(labels_.data()));
  make_parts();
  for (int i = 0; i < kWarmUp; ++i) measure();
}

template <class Body>
double StepBench::milliseconds_of(const Body& body) const {
  const Stopwatch watch;
  body();
  stream_.synchronize();
  return 1e3 * watch.seconds();
}

StepBench::Part StepBench::part_of(const std::function<void()>& work, int times) const {
  if (!stream_.is_cuda()) return {work, 1, {}};
  work();  // libraries load their kernels at a first launch, which a capture forbids
  stream_.synchronize();
  return {work, times, Graph::capture(stream_, [&] {
            for (int i = 0; i < times; ++i) work();
          })};
}

double StepBench::milliseconds(const Part& part) const {
  if (!part.graph) return milliseconds_of(part.work);
  return milliseconds_of([&] { part.graph.launch(stream_); }) / part.times;
}

double* StepBench::scalar(Scalar slot) const {
  return reinterpret_cast<double*>(scalars_.data()) + slot;
}

void StepBench::enqueue() {
  state_.optimizer->step(*state_.replay, state_.weights, scalar(kRate));
}

void StepBench::make_parts() {
  const int64_t n = state_.weights.size();
  float *w = point_.as<float>(), *g = gradient_.as<float>(), *v = velocity_.as<float>();
  step_ = part_of([this] { enqueue(); }, 1);
  if (stream_.is_cuda()) {
    forward_ = part_of([this] { state_.replay->evaluate(state_.weights); }, 1);
    pass_ =
        part_of([this] { state_.replay->differentiate(state_.weights, gradient_, Track::No); }, 1);
  }
  norm_ = part_of(
      [=, this] {
        squared_norm(stream_, n, g, reinterpret_cast<double*>(partials_.data()),
                     scalar(kSquaredNorm));
      },
      kUpdates);
  ascent_ = part_of(
      [=, this] {
        map<float>(stream_, SamAscent<float>{scalar(kSquaredNorm), scalar(kRho), Normalise::Yes}, n,
                   {state_.weights.as<float>(), g}, {w});
      },
      kUpdates);
  descent_ = part_of(
      [=, this] {  // at a learning rate that leaves the point in place
        map<float>(stream_,
                   MomentumDescent<float>{scalar(kNoRate), 0.9F, 0.0F, Nesterov::No, Decay::L2}, n,
                   {w, g, v}, {w, v});
      },
      kUpdates);
}

template <class Body>
void StepBench::observed(const std::function<ReplayObserver*(int)>& observer_of, const Body& body) {
  state_.replay->observe(observer_of);
  body();
  state_.replay->observe([](int) -> ReplayObserver* { return nullptr; });
}

void StepBench::step(const std::function<ReplayObserver*(int)>& observer_of) {
  observed(observer_of, [&] { enqueue(); });
}

template <class Body>
std::vector<ThreadTrace> StepBench::traced(const Body& body) {
  const BatchReplay& replay = *state_.replay;
  const size_t chunks = ceil_div<int64_t>(options_.batch, replay.chunk());
  const ThreadTrace empty(ThreadTrace::Clock::now(),
                          2 * passes_ * chunks * replay.program().nodes.size());
  std::vector<ThreadTrace> threads(replay.replayers(), empty);
  observed([&](int t) { return &threads[t]; }, body);
  return threads;
}

std::pair<std::vector<ThreadTrace>, double> StepBench::trace() {
  double ms = 0;
  auto threads = traced([&] { ms = milliseconds_of([&] { enqueue(); }); });
  return {std::move(threads), ms};
}

void StepBench::time_passes(StepTimes& times) {
  if (stream_.is_cuda()) {
    times.forward = passes_ * milliseconds(forward_);
    times.backward = passes_ * milliseconds(pass_) - times.forward;
    return;
  }
  const auto threads =
      traced([&] { state_.replay->differentiate(state_.weights, gradient_, Track::No); });
  // Milliseconds of all passes; the threads share the work.
  const double scale = passes_ / 1e3 / static_cast<double>(threads.size());
  for (size_t t = 0; t < threads.size(); ++t) {
    for (const TraceEvent& e : threads[t].events()) {
      (e.pass == Pass::Forward ? times.forward : times.backward) += scale * e.time;
      if (!is_product(replay().program(), e.node)) continue;
      const int64_t examples = replay().examples(static_cast<int>(t), e.chunk);
      double& fastest =
          fastest_product_.try_emplace({e.node, e.pass, examples}, e.time).first->second;
      fastest = std::min(fastest, e.time);
    }
  }
}

double StepBench::products_floor() const {
  double us = 0;
  for (const auto& [key, fastest] : fastest_product_) {
    const bool whole = std::get<int64_t>(key) == replay().chunk();
    us += fastest * static_cast<double>(whole ? options_.batch / replay().chunk() : 1);
  }
  return us * passes_ / 1e3 / replay().replayers();
}

void StepBench::time_update(StepTimes& t) {
  if (ascents() > 0) {
    t.norm = ascents() * milliseconds(norm_);
    t.ascent = ascents() * milliseconds(ascent_);
  }
  t.descent = milliseconds(descent_);
}

double StepBench::step_milliseconds() {
  milliseconds(step_);  // wakes the threads, and brings the weights back to the caches
  return milliseconds(step_);
}

StepTimes StepBench::measure() {
  StepTimes t;
  t.step = step_milliseconds();
  time_passes(t);
  time_update(t);
  return t;
}

UpdateCosts StepBench::update_costs() const {
  const int64_t n = state_.weights.size(), ascents = passes_ - 1;
  return {element_cost<SquareTerm, float>(ascents * n),
          element_cost<SamAscent<float>, float>(ascents * n),
          element_cost<MomentumDescent<float>, float>(n)};
}

int64_t StepBench::update_bytes() const {
  const UpdateCosts costs = update_costs();
  return costs.norm.bytes() + costs.ascent.bytes() + costs.descent.bytes();
}

double StepBench::update_bandwidth() const {
  MapRun<Add<float>> in_place(stream_, {}, state_.weights.size(), {0});  // y = y + x
  const Part add = part_of([&] { in_place.run(stream_); }, kUpdates);
  double best = 0;
  for (int i = 0; i < 20; ++i) {
    const double ms = milliseconds(add);
    best = std::max(best, 1e3 * static_cast<double>(in_place.cost().bytes()) / ms);
  }
  return best;
}

}  // namespace basin
