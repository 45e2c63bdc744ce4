#include "tools/training_step.h"

#include "kernels/elementwise.h"
#include "kernels/range.h"

namespace basin {
namespace {

// The replay, with the result of a step's first pass over its batch kept: at w, or at w + eps where
// the ascent has a batch of its own.
struct FirstPass final : Objective {
  FirstPass(const Stream& stream, BatchReplay& replay, AscentBatches* ascent, double* kept)
      : stream(stream), replay(replay), ascent(ascent), kept(kept) {}
  void differentiate_ascent(const Arena& at, Arena& gradient, Track track) override {
    if (ascent == nullptr) return differentiate(at, gradient, track);
    ascent->replay().differentiate(at, gradient, track);
  }
  void differentiate(const Arena& at, Arena& gradient, Track track) override {
    replay.differentiate(at, gradient, track);
    if (!done) keep(replay.result());
  }
  int64_t groups() const override { return replay.groups(); }
  void differentiate_perturbed(const Arena& weights, const Ascent& ascent, Arena& gradient,
                               StepTracks tracks) override {
    replay.differentiate_perturbed(weights, ascent, gradient, tracks);
    keep(replay.first_result());
  }
  void keep(const PassResult* result) {
    constexpr int64_t kValues = sizeof(PassResult) / sizeof(double);
    map<double>(stream, Copy<double>{}, kValues, {reinterpret_cast<const double*>(result)}, {kept});
    done = true;
  }
  const Stream& stream;
  BatchReplay& replay;
  AscentBatches* ascent;
  double* kept;
  bool done = false;
};

}  // namespace

TrainingStep::TrainingStep(const Stream& stream, TrainState& state, Loader& loader,
                           AscentBatches* ascent)
    : stream_(stream),
      state_(state),
      loader_(loader),
      ascent_(ascent),
      images_(stream, loader.batch() * loader.image_size() * int64_t{sizeof(float)}),
      labels_(stream, loader.batch() * int64_t{sizeof(int32_t)}),
      rates_(stream, loader.batches() * int64_t{sizeof(double)}),
      rate_(stream, sizeof(double)),
      first_(stream, sizeof(PassResult)),
      rows_(stream, loader.batches() * int64_t{sizeof(StepResult)}),
      host_rows_(stream, rows_.bytes()) {
  for (int i = 0; i < kAsked; ++i) questions_.push_back({Event(stream)});
  state.replay->bind(images_.data(), reinterpret_cast<const int32_t*>(labels_.data()));
  if (!stream.is_cuda()) return;
  // A library loads its kernels at their first launch, which a capture forbids: a step's gradients,
  // on no images, come before it.
  zero(stream, images_.data(), images_.bytes());
  zero(stream, labels_.data(), labels_.bytes());
  if (ascent != nullptr) ascent->fill();
  capture();
}

void TrainingStep::capture() {
  state_.optimizer->gradients(*state_.replay, state_.weights, {Track::No, Track::No});
  stream_.synchronize();
  graph_ = Graph::capture(stream_, [this] { enqueue(); });
}

void TrainingStep::enqueue() {
  auto* rate = reinterpret_cast<double*>(rate_.data());
  begin_step(stream_, loader_.cursor(), reinterpret_cast<const double*>(rates_.data()), rate);
  loader_.fill(loader_.batch(), reinterpret_cast<float*>(images_.data()),
               reinterpret_cast<int32_t*>(labels_.data()));
  if (ascent_ != nullptr) ascent_->fill();
  FirstPass objective(stream_, *state_.replay, ascent_, reinterpret_cast<double*>(first_.data()));
  state_.optimizer->step(objective, state_.weights, rate);
  end_step(stream_, loader_.cursor(), reinterpret_cast<const PassResult*>(first_.data()),
           state_.replay->result(), reinterpret_cast<StepResult*>(rows_.data()));
}

void TrainingStep::start_epoch(int epoch, int64_t first, const std::vector<double>& rates,
                               bool ascends) {
  if (ascends != ascends_) {
    ascends_ = ascends;
    state_.optimizer->set_ascent(ascends);
    if (stream_.is_cuda()) capture();
  }
  loader_.start_epoch(epoch, first);
  state_.optimizer->start_at((epoch - 1) * loader_.batches() + first);
  copy_to_device(stream_, rates_.data(), rates.data(), rates_.bytes());
  epoch_ = epoch;
  run_ = asked_to_ = first;
}

void TrainingStep::run() {
  const Range range("step");
  if (ascent_ != nullptr) ascent_->place((epoch_ - 1) * loader_.batches() + run_);
  if (stream_.is_cuda()) {
    graph_.launch(stream_);
  } else {
    enqueue();
  }
  ++run_;
}

void TrainingStep::ask() {
  BASIN_CHECK(asked_ < kAsked, "[step] ask", "found {} open questions, expected fewer", asked_);
  Question& question = questions_[next_question_++ % kAsked];
  question.begin = asked_to_;
  question.end = asked_to_ = run_;
  constexpr int64_t kBytes = sizeof(StepResult);
  copy_to_host_async(stream_, host_rows_.data() + question.begin * kBytes,
                     rows_.data() + question.begin * kBytes,
                     (question.end - question.begin) * kBytes);
  question.copied.record(stream_);
  ++asked_;
}

std::span<const StepResult> TrainingStep::answer() {
  BASIN_CHECK(asked_ > 0, "[step] answer", "found no open question");
  const Question& question = questions_[(next_question_ - asked_) % kAsked];
  question.copied.wait();
  --asked_;
  return std::span(host_rows_.as<StepResult>(), rows_.bytes() / sizeof(StepResult))
      .subspan(question.begin, question.end - question.begin);
}

}  // namespace basin
