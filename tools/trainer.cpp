#include "tools/trainer.h"

#include <cmath>
#include <csignal>
#include <optional>

#include "engine/data/loader.h"
#include "engine/device.h"
#include "optim/schedule.h"
#include "tools/chunk_choice.h"
#include "tools/evaluation.h"
#include "tools/run_files.h"
#include "tools/stopwatch.h"

namespace basin {
namespace {

volatile std::sig_atomic_t pending_signal = 0;  // a handler may write nothing else

// Notes SIGINT and SIGTERM while it lives, so that a run can end in good order.
class SignalWatch {
 public:
  SignalWatch() {
    pending_signal = 0;
    struct sigaction action {};
    action.sa_handler = [](int signal) { pending_signal = signal; };
    sigaction(SIGINT, &action, &old_[0]);
    sigaction(SIGTERM, &action, &old_[1]);
  }
  ~SignalWatch() {
    sigaction(SIGINT, &old_[0], nullptr);
    sigaction(SIGTERM, &old_[1], nullptr);
  }
  static int pending() { return pending_signal; }

 private:
  struct sigaction old_[2];
};

// Everything that a run holds; what a checkpoint must bring back is `progress_` and the arenas.
class Run {
 public:
  Run(const TrainOptions& o, TrainObserver& observer)
      : o_(o),
        observer_(observer),
        stream_(Device::parse(o.device).stream(o.step.threads)),
        data_(load(o)),
        network_{.name = o.model,
                 .width = o.width,
                 .classes = data_.train.classes,
                 .h = data_.train.h,
                 .w = data_.train.w,
                 .c = data_.train.c},
        chunks_(choose_chunk(network_, DType::Float32, o_.step)),
        state_(stream_, network_, DType::Float32, o_.step, o.seed),
        loader_(data_.train, o.step.batch, o.seed, Shuffle::Yes,
                {.padding = o.augment ? 4 : 0, .flip = o.augment && o.dataset != "mnist"},
                DropLast::Yes) {
    const Dataset& train = data_.train;
    images_.resize(o.step.batch * train.h * train.w * train.c);
    labels_.resize(o.step.batch);
  }

  TrainResult operator()() {
    RunFiles files(o_, stream_);
    if (o_.resume) files.load(progress_, state_);
    const int64_t plan_bytes = state_.replay->bytes();
    files.start(state_.model, plan_bytes);
    observer_.started(fmt::format(
        "{} (width {}, {} parameters) on {}: {} training and {} test examples; plan {:.1f} MiB",
        o_.model, o_.width, state_.model.parameters->count(), o_.dataset, data_.train.n,
        data_.test.n, static_cast<double>(plan_bytes) / (1 << 20)));
    if (!chunks_.empty()) observer_.started(chunks_);
    std::optional<Evaluation> evaluate;  // recorded when it is first needed: steps come first
    const SignalWatch signals;
    TrainResult result;
    const auto save = [&] { files.save(progress_, state_); };
    while (progress_.epoch <= o_.epochs) {
      const Stopwatch watch;
      const double rate = train_epoch();
      if (SignalWatch::pending() != 0) {
        save();
        result.signal = SignalWatch::pending();
        break;
      }
      const int64_t steps = loader_.batches();
      const double train_seconds = watch.seconds();
      if (!evaluate) evaluate.emplace(state_, data_.test, o_.step);
      const auto [test_loss, test_accuracy] = (*evaluate)(stream_, state_.weights);
      const EpochMetrics metrics{
          .epoch = progress_.epoch,
          .step = progress_.epoch * steps,
          .train_loss = progress_.loss_sum / static_cast<double>(steps),
          .train_accuracy = progress_.correct_sum / static_cast<double>(steps * o_.step.batch),
          .test_loss = test_loss,
          .test_accuracy = test_accuracy,
          .learning_rate = rate,
          .images_per_second =
              static_cast<double>((steps - first_step_) * o_.step.batch) / train_seconds,
          .seconds = watch.seconds()};
      progress_.epochs.push_back(metrics);
      ++progress_.epoch;
      progress_.step_in_epoch = 0;
      progress_.loss_sum = progress_.correct_sum = 0;
      save();
      observer_.epoch_done(metrics);
    }
    result.epochs = progress_.epochs;
    if (result.signal == 0) files.finish(progress_);
    return result;
  }

 private:
  static DatasetPair load(const TrainOptions& o) {
    DatasetPair data = load_dataset(o.dataset, o.data_dir);
    if (o.train_size > 0) data.train.take(o.train_size);
    BASIN_CHECK(o.test_size <= data.test.n, "--test-size",
                "found {}, expected 1 to the {} examples", o.test_size, data.test.n);
    if (o.test_size > 0) data.test.take(o.test_size);
    if (o.label_noise > 0) apply_label_noise(data.train, o.label_noise, o.seed);
    BASIN_CHECK(o.step.batch >= 1 && o.step.batch <= data.train.n, "--batch",
                "found {}, expected 1 to the {} training examples", o.step.batch, data.train.n);
    BASIN_CHECK(!o.resume || o.step.chunk != kMeasuredChunk, "--chunk",
                "found measure with --resume, expected the number in {}/config.toml", o.out);
    BASIN_CHECK(o.epochs >= 1, "--epochs", "found {}, expected at least 1", o.epochs);
    static_cast<void>(learning_rate(o.schedule, o.lr, 1, o.epochs));  // there is such a schedule
    return data;
  }

  // The rest of the epoch under way; returns the last learning rate. Stops early at a signal.
  double train_epoch() {
    loader_.start_epoch(progress_.epoch);
    const int64_t steps = loader_.batches();
    first_step_ = progress_.step_in_epoch;
    const auto rate_at = [&](int64_t step) {
      const double t = progress_.epoch - 1 + static_cast<double>(step) / static_cast<double>(steps);
      return learning_rate(o_.schedule, o_.lr, t, o_.epochs);
    };
    double rate = rate_at(first_step_);  // stays where a run resumes after an epoch's last step
    const Stopwatch watch;
    for (int64_t i = first_step_; i < steps; ++i) {
      if (SignalWatch::pending() != 0) return rate;
      rate = rate_at(i + 1);
      loader_.fill(stream_, i, images_.data(), labels_.data());
      state_.replay->bind(images_.data(), labels_.data());
      first_pass_ = std::nullopt;
      state_.optimizer->step(watched_, state_.weights, rate);
      const auto [loss, correct] = *first_pass_;
      if (!std::isfinite(loss) || !std::isfinite(state_.replay->loss())) {
        fail_run("train",
                 "the loss is {} at step {} of epoch {}: a smaller --lr or --rho may help; "
                 "the last checkpoint stands",
                 std::isfinite(loss) ? state_.replay->loss() : loss, i + 1, progress_.epoch);
      }
      progress_.loss_sum += loss;
      progress_.correct_sum += correct;
      progress_.step_in_epoch = i + 1;
      const double done = static_cast<double>(i + 1 - first_step_);
      progress_.note_step((progress_.epoch - 1) * steps + i + 1, loss,
                          correct / static_cast<double>(o_.step.batch));
      observer_.step_done(progress_.epoch, i + 1, steps, loss,
                          progress_.correct_sum / static_cast<double>((i + 1) * o_.step.batch),
                          rate, done * static_cast<double>(o_.step.batch) / watch.seconds());
    }
    return rate;
  }

  // The replay, with the loss of a step's first pass (at w, not at w + eps) remembered.
  struct FirstPass final : Objective {
    explicit FirstPass(Run& run) : run(run) {}
    void differentiate(const Arena& at, Arena& gradient, Track track) override {
      ChunkedReplay& replay = *run.state_.replay;
      replay.differentiate(at, gradient, track);
      if (!run.first_pass_) run.first_pass_ = {replay.loss(), replay.correct()};
    }
    Run& run;
  };

  TrainOptions o_;
  TrainObserver& observer_;
  Stream stream_;
  DatasetPair data_;
  ModelOptions network_;
  std::string chunks_;  // how they were chosen
  TrainState state_;
  Loader loader_;
  std::vector<float> images_;
  std::vector<int32_t> labels_;
  RunProgress progress_;
  int64_t first_step_ = 0;
  std::optional<std::pair<double, double>> first_pass_;
  FirstPass watched_{*this};
};

}  // namespace

TrainResult run_training(const TrainOptions& options, TrainObserver& observer) {
  return Run(options, observer)();
}

}  // namespace basin
