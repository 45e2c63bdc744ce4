#include "tools/step_bench.h"

#include <algorithm>
#include <optional>

#include "engine/device.h"
#include "kernels/elementwise.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "tools/chunk_choice.h"
#include "tools/kernel_runs.h"
#include "tools/op_cost.h"
#include "tools/stopwatch.h"

namespace basin {
namespace {

constexpr int kWarmUp = 3;
constexpr double kLearningRate = 0.01;

// Sees each op when what it has put on the stream has run.
struct Waiting final : ReplayObserver {
  Waiting(const Stream& stream, ReplayObserver* inner) : stream(stream), inner(inner) {}
  void begin(int node, Pass pass) override {
    stream.synchronize();
    inner->begin(node, pass);
  }
  void end(int node, Pass pass) override {
    stream.synchronize();
    inner->end(node, pass);
  }
  const Stream& stream;
  ReplayObserver* inner;
};

StepOptions with_chosen_chunk(const Stream& stream, const ModelOptions& network,
                              StepOptions options) {
  choose_chunk(stream, network, DType::Float32, options);
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
    : options_(with_chosen_chunk(stream, network, o)),
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
  enqueue();  // on CUDA, libraries load their kernels at a first launch
  stream_.synchronize();
  if (stream_.is_cuda()) graph_ = Graph::capture(stream_, [this] { enqueue(); });
  for (int i = 0; i < kWarmUp; ++i) measure();
}

template <class Body>
double StepBench::milliseconds(const Body& body) const {
  const Stopwatch watch;
  body();
  stream_.synchronize();
  return 1e3 * watch.seconds();
}

double* StepBench::scalar(Scalar slot) const {
  return reinterpret_cast<double*>(scalars_.data()) + slot;
}

void StepBench::enqueue() {
  state_.optimizer->step(*state_.replay, state_.weights, scalar(kRate));
}

void StepBench::step_once() {
  if (graph_) return graph_.launch(stream_);
  enqueue();
}

template <class Body>
void StepBench::observed(const std::function<ReplayObserver*(int)>& observer_of, const Body& body) {
  std::optional<Waiting> waiting;  // one thread's, on CUDA
  state_.replay->observe([&](int thread) -> ReplayObserver* {
    ReplayObserver* observer = observer_of(thread);
    return stream_.is_cuda() ? &waiting.emplace(stream_, observer) : observer;
  });
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
  auto threads = traced([&] { ms = milliseconds([&] { enqueue(); }); });
  return {std::move(threads), ms};
}

void StepBench::time_passes(StepTimes& times) {
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
  const int64_t n = state_.weights.size();
  float *w = point_.as<float>(), *g = gradient_.as<float>(), *v = velocity_.as<float>();
  double *squared = scalar(kSquaredNorm), *rho = scalar(kRho);
  const double* rate = scalar(kNoRate);  // which leaves the point in place
  if (ascents() > 0) {
    t.norm = ascents() * milliseconds([&] {
               squared_norm(stream_, n, g, reinterpret_cast<double*>(partials_.data()), squared);
             });
    t.ascent = ascents() * milliseconds([&] {
                 map<float>(stream_, SamAscent<float>{squared, rho, Normalise::Yes}, n,
                            {state_.weights.as<float>(), g}, {w});
               });
  }
  t.descent = milliseconds([&] {
    map<float>(stream_, MomentumDescent<float>{rate, 0.9F, 0.0F, Nesterov::No, Decay::L2}, n,
               {w, g, v}, {w, v});
  });
}

StepTimes StepBench::measure() {
  StepTimes t;
  step_once();  // wakes the threads, and brings the weights back to the caches
  t.step = milliseconds([&] { step_once(); });
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
  double best = 0;
  for (int i = 0; i < 20; ++i) {
    const double ms = milliseconds([&] { in_place.run(stream_); });
    best = std::max(best, 1e3 * static_cast<double>(in_place.cost().bytes()) / ms);
  }
  return best;
}

}  // namespace basin
