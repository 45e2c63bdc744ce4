#include "tools/trainer.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <optional>
#include <tuple>

#include "engine/checkpoint.h"
#include "engine/device.h"
#include "kernels/range.h"
#include "optim/schedule.h"
#include "tools/chunk_choice.h"
#include "tools/evaluation.h"
#include "tools/execution_choice.h"
#include "tools/run_files.h"
#include "tools/stopwatch.h"
#include "tools/training_data.h"
#include "tools/training_step.h"

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
      : o_(checked(o)),
        observer_(observer),
        stream_(Device::parse(o.device).stream(o.step.threads, o.step.tf32)),
        data_(o),
        network_{.name = o.model,
                 .width = o.width,
                 .classes = data_.train.classes,
                 .h = data_.train.h,
                 .w = data_.train.w,
                 .c = data_.train.c},
        chunks_(choose_chunk(stream_, network_, DType::Float32, o_.step)),
        execution_(choose_execution(stream_, network_, DType::Float32, o_.step)),
        state_(stream_, network_, DType::Float32, o_.step, o.seed),
        loader_(stream_, data_.train, o.step.batch, o.seed, Shuffle::Yes, augmentation(o),
                DropLast::Yes) {
    if (o.ascent_batch != AscentBatch::Same) {
      ascent_.emplace(stream_, data_.train, state_, o_, augmentation(o));
    }
  }

  TrainResult operator()() {
    RunFiles files(o_, stream_);
    if (o_.resume) {
      files.load(progress_, state_);
    } else if (!o_.init.empty()) {
      begin_with(o_.init);
    }
    const int64_t plan_bytes = state_.replay->bytes();
    files.start(state_.model, plan_bytes, execution_);
    observer_.started(fmt::format(
        "{} (width {}, {} parameters) on {}: {} training and {} test examples; plan {:.1f} MiB",
        o_.model, o_.width, state_.model.parameters->count(), o_.dataset, data_.train.n,
        data_.test.n, static_cast<double>(plan_bytes) / (1 << 20)));
    for (const std::string& choice : {chunks_, execution_}) {
      if (!choice.empty()) observer_.started(choice);
    }
    warn_of_no_ascent();
    TrainingStep step(stream_, state_, loader_, ascent_ ? &*ascent_ : nullptr);
    const SignalWatch signals;
    TrainResult result;
    const auto save = [&] { files.save(progress_, state_); };
    while (progress_.epoch <= o_.epochs) {
      const Stopwatch watch;
      const double rate = train_epoch(step);
      if (SignalWatch::pending() != 0) {
        save();
        result.signal = SignalWatch::pending();
        break;
      }
      const int64_t steps = loader_.batches();
      const double train_seconds = watch.seconds();
      EpochMetrics metrics{
          .epoch = progress_.epoch,
          .step = progress_.epoch * steps,
          .train_loss = progress_.loss_sum / static_cast<double>(steps),
          .train_accuracy = progress_.correct_sum / static_cast<double>(steps * o_.step.batch),
          .learning_rate = rate,
          .images_per_second =
              static_cast<double>((steps - first_step_) * o_.step.batch) / train_seconds};
      evaluate(metrics);
      metrics.seconds = watch.seconds();
      progress_.epochs.push_back(metrics);
      if (progress_.best() == &progress_.epochs.back()) files.save_best(state_);
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
  static Augmentation augmentation(const TrainOptions& o) {
    return {.padding = o.augment ? 4 : 0, .flip = o.augment && o.dataset != "mnist"};
  }

  // What the options must be, whatever the data.
  static const TrainOptions& checked(const TrainOptions& o) {
    BASIN_CHECK(!o.resume || o.step.chunk != kMeasuredChunk, "--chunk",
                "found measure with --resume, expected the number in {}/config.toml", o.out);
    BASIN_CHECK(o.step.microbatch <= o.step.batch, "--microbatch",
                "found {}, expected 1 to the batch of {} examples", o.step.microbatch,
                o.step.batch);
    BASIN_CHECK(!o.resume || o.step.execution != ExecutionChoice::Measure, "--microbatch-execution",
                "found measure with --resume, expected the word in {}/config.toml", o.out);
    BASIN_CHECK(o.sam_from <= o.sam_until, "--sam-from",
                "found {}, expected at most --sam-until, {}", o.sam_from, o.sam_until);
    BASIN_CHECK(o.epochs >= 1, "--epochs", "found {}, expected at least 1", o.epochs);
    static_cast<void>(learning_rate(o.schedule, o.lr, 1, o.epochs));  // there is such a schedule
    return o;
  }

  // Weights and running statistics, from a file of `basin train` or of PyTorch's names.
  void begin_with(const std::string& path) {
    const TensorFile file = read_safetensors(path);
    get_arena(file, path, "", stream_, state_.weights);
    if (state_.running) get_arena(file, path, "", stream_, *state_.running);
  }

  void warn_of_no_ascent() {
    if (o_.step.optimizer.name == "sgd") return;
    for (int epoch = 1; epoch <= o_.epochs; ++epoch) {
      if (ascends_in(o_, epoch)) return;
    }
    observer_.warned(
        fmt::format("--optimizer {} never ascends: no e / {} lies in {} to {} "
                    "(--sam-from, --sam-until)",
                    o_.step.optimizer.name, o_.epochs, o_.sam_from, o_.sam_until));
  }

  // What is measured behind an epoch.
  void evaluate(EpochMetrics& m) {
    if (evaluations_.empty()) {  // recorded when they are first needed: steps come first
      for (const Dataset* data : {&data_.test, &data_.validation, &data_.clean, &data_.noisy}) {
        evaluations_.emplace_back();
        if (data->n == 0) continue;
        evaluations_.back() = std::make_unique<Evaluation>(stream_, state_.model, state_.weights,
                                                           state_.buffers(), *data, o_.step);
      }
    }
    std::tie(m.test_loss, m.test_accuracy) = (*evaluations_[0])();
    if (evaluations_[1]) std::tie(m.validation_loss, m.validation_accuracy) = (*evaluations_[1])();
    if (evaluations_[2]) m.clean_accuracy = (*evaluations_[2])().second;
    if (evaluations_[3]) m.noisy_accuracy = (*evaluations_[3])().second;
  }

  // The rest of the epoch under way; returns the last learning rate. Stops early at a signal.
  double train_epoch(TrainingStep& step) {
    const Range range("epoch");
    const int64_t steps = loader_.batches();
    std::vector<double> rates(steps);
    for (int64_t i = 0; i < steps; ++i) {
      const double t =
          progress_.epoch - 1 + static_cast<double>(i + 1) / static_cast<double>(steps);
      rates[i] = learning_rate(o_.schedule, o_.lr, t, o_.epochs);
    }
    first_step_ = progress_.step_in_epoch;
    step.start_epoch(progress_.epoch, first_step_, rates, ascends_in(o_, progress_.epoch));
    const Stopwatch watch;
    // On CUDA the host looks at some steps at a time, while the device goes on with later ones.
    const int64_t window = stream_.is_cuda() ? RunProgress::kWindow : 1;
    const int ahead = stream_.is_cuda() ? 1 : 0;
    for (int64_t i = first_step_; i < steps && SignalWatch::pending() == 0; ++i) {
      step.run();
      if ((i + 1) % window != 0) continue;
      step.ask();
      if (step.asked() > ahead) note(step.answer(), rates, watch);
    }
    step.ask();
    while (step.asked() > 0) note(step.answer(), rates, watch);
    return rates[std::max<int64_t>(progress_.step_in_epoch, 1) - 1];
  }

  // What the next steps of the epoch were like; `watch` runs since its first one in this run.
  void note(std::span<const StepResult> results, const std::vector<double>& rates,
            const Stopwatch& watch) {
    const auto batch = static_cast<double>(o_.step.batch);
    const int64_t steps = loader_.batches();
    for (const StepResult& result : results) {
      const int64_t i = ++progress_.step_in_epoch;
      const double loss = result.first.loss, correct = result.first.correct;
      if (!std::isfinite(loss) || !std::isfinite(result.last_loss)) {
        fail_run("train",
                 "the loss is {} at step {} of epoch {}: a smaller --lr or --rho may help; "
                 "the last checkpoint stands",
                 std::isfinite(loss) ? result.last_loss : loss, i, progress_.epoch);
      }
      progress_.loss_sum += loss;
      progress_.correct_sum += correct;
      progress_.note_step((progress_.epoch - 1) * steps + i, loss, correct / batch);
    }
    if (results.empty()) return;
    const int64_t i = progress_.step_in_epoch;
    observer_.step_done(progress_.epoch, i, steps, results.back().first.loss,
                        progress_.correct_sum / (static_cast<double>(i) * batch), rates[i - 1],
                        static_cast<double>(i - first_step_) * batch / watch.seconds());
  }

  TrainOptions o_;
  TrainObserver& observer_;
  Stream stream_;
  TrainingData data_;
  ModelOptions network_;
  std::string chunks_, execution_;  // how they were chosen
  TrainState state_;
  Loader loader_;
  std::optional<AscentBatches> ascent_;
  std::vector<std::unique_ptr<Evaluation>> evaluations_;  // test, validation, clean, noisy
  RunProgress progress_;
  int64_t first_step_ = 0;
};

}  // namespace

TrainResult run_training(const TrainOptions& options, TrainObserver& observer) {
  return Run(options, observer)();
}

}  // namespace basin
