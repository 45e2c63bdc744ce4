#include "tools/run_files.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/checkpoint.h"
#include "engine/io/file.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

Json row_of(const EpochMetrics& m) {
  return {{"epoch", m.epoch},
          {"step", m.step},
          {"train_loss", m.train_loss},
          {"train_accuracy", m.train_accuracy},
          {"test_loss", m.test_loss},
          {"test_accuracy", m.test_accuracy},
          {"learning_rate", m.learning_rate},
          {"images_per_second", m.images_per_second},
          {"seconds", m.seconds}};
}

// What must be the same for a run to be the same run, the epochs included: schedules depend on
// them.
std::string identity(const TrainOptions& o) {
  const OptimizerOptions& p = o.optimizer;
  return fmt::format(
      "{} width={} data={} n={} augment={} noise={} {} rho={} K={} s={} norm={} stat={} mu={} "
      "wd={} "
      "nesterov={} form={} l2={} batch={} epochs={} lr={} {} seed={} threads={} chunk={}",
      o.model, o.width, o.dataset, o.train_size, o.augment, o.label_noise, p.name, p.rho,
      p.sam_steps, p.sam_step_size, static_cast<int>(p.normalise), static_cast<int>(p.statistics),
      p.descent.momentum, p.descent.decay, static_cast<int>(p.descent.nesterov),
      static_cast<int>(p.descent.form), o.l2, o.batch, o.epochs, o.lr, o.schedule, o.seed,
      o.threads, o.chunk);
}

}  // namespace

void RunProgress::note_step(int64_t step, double loss, double accuracy) {
  window_loss += loss;
  window_accuracy += accuracy;
  if (step % kWindow != 0) return;
  windows.push_back({step, window_loss / kWindow, window_accuracy / kWindow});
  window_loss = window_accuracy = 0;
}

RunFiles::RunFiles(const TrainOptions& options, const Stream& stream)
    : options_(options), stream_(stream) {}

std::string config_text(const TrainOptions& o) {
  const OptimizerOptions& p = o.optimizer;
  const auto choice = [](bool yes, const char* a, const char* b) { return yes ? a : b; };
  std::string s = "# basin train --config config.toml\n";
  const auto text = [&](const char* key, const std::string& value) {
    s += fmt::format("{} = {}\n", key, Json(value).dump());
  };
  const auto number = [&](const char* key, auto value) {
    s += fmt::format("{} = {}\n", key, value);
  };
  const auto real = [&](const char* key, double value) {
    const std::string digits = Json(value).dump();
    s += fmt::format("{} = {}\n", key, digits);
  };
  text("model", o.model);
  number("width", o.width);
  text("dataset", o.dataset);
  if (!o.data_dir.empty()) text("data-dir", o.data_dir);
  if (o.train_size > 0) number("train-size", o.train_size);
  if (o.test_size > 0) number("test-size", o.test_size);
  number("augment", o.augment);
  real("label-noise", o.label_noise);
  text("optimizer", p.name);
  real("rho", p.rho);
  number("sam-steps", p.sam_steps);
  real("sam-step-size", p.sam_step_size);
  number("sam-no-normalise", p.normalise == Normalise::No);
  text("statistics", p.statistics == StatisticsFrom::First  ? "first"
                     : p.statistics == StatisticsFrom::Both ? "both"
                                                            : "frozen");
  real("momentum", p.descent.momentum);
  number("nesterov", p.descent.nesterov == Nesterov::Yes);
  real("weight-decay", p.descent.decay);
  text("decay", choice(p.descent.form == Decay::L2, "l2", "decoupled"));
  real("l2", o.l2);
  number("batch", o.batch);
  number("epochs", o.epochs);
  real("lr", o.lr);
  text("schedule", o.schedule);
  text("device", o.device);
  number("threads", o.threads);
  number("chunk", o.chunk);
  number("seed", o.seed);
  return s;
}

void RunFiles::start(const Model& model, int64_t plan_bytes) {
  plan_bytes_ = plan_bytes;
  parameters_ = model.parameters->count();
  std::error_code error;
  std::filesystem::create_directories(options_.out, error);
  BASIN_CHECK(!error, "--out", "could not make the folder {}: {}", options_.out, error.message());
  if (!options_.resume) {
    for (const char* name : {"checkpoint.safetensors", "metrics.jsonl", "progress.jsonl",
                             "summary.json", "plot.png"}) {
      std::filesystem::remove(path(name), error);
    }
  }
  write_file_atomically(path("config.toml"), config_text(options_));
}

void RunFiles::write_rows(const RunProgress& progress) const {
  std::string metrics, windows;
  for (const EpochMetrics& m : progress.epochs) metrics += row_of(m).dump() + "\n";
  for (const RunProgress::Window& w : progress.windows) {
    windows +=
        Json{{"step", w.step}, {"train_loss", w.loss}, {"train_accuracy", w.accuracy}}.dump();
    windows += "\n";
  }
  write_file_atomically(path("metrics.jsonl"), metrics);
  write_file_atomically(path("progress.jsonl"), windows);
}

void RunFiles::save(const RunProgress& progress, const Arena& weights, const Arena* buffers,
                    const Arena& velocity) {
  TensorFile file;
  file.metadata["basin"] = identity(options_);
  put_arena(file, "", stream_, weights);
  if (buffers != nullptr) put_arena(file, "", stream_, *buffers);
  put_arena(file, "momentum/", stream_, velocity);
  const auto put = [&](const char* name, DType dtype, std::vector<double> values) {
    const auto n = static_cast<int64_t>(values.size());
    file.tensors.push_back(host_tensor(name, dtype, {n}, values));
  };
  put("state/epoch", DType::Int64, {static_cast<double>(progress.epoch)});
  put("state/step_in_epoch", DType::Int64, {static_cast<double>(progress.step_in_epoch)});
  put("state/sums", DType::Float64,
      {progress.loss_sum, progress.correct_sum, progress.window_loss, progress.window_accuracy});
  write_rows(progress);
  write_safetensors(path("checkpoint.safetensors"), file);
}

void RunFiles::load(RunProgress& progress, Arena& weights, Arena* buffers, Arena& velocity) {
  const std::string checkpoint = path("checkpoint.safetensors");
  BASIN_CHECK(std::filesystem::exists(checkpoint), "--resume",
              "found no {}: start the run without --resume", checkpoint);
  const TensorFile file = read_safetensors(checkpoint);
  get_arena(file, checkpoint, "", stream_, weights);
  if (buffers != nullptr) get_arena(file, checkpoint, "", stream_, *buffers);
  get_arena(file, checkpoint, "momentum/", stream_, velocity);
  const auto found = file.metadata.find("basin");
  BASIN_CHECK(found != file.metadata.end() && found->second == identity(options_), "--resume",
              "{} is of another run: found '{}', expected '{}'", checkpoint,
              found == file.metadata.end() ? "" : found->second, identity(options_));
  const auto get = [&](const char* name, size_t n) {
    std::vector<double> values = host_values(file.at(name, checkpoint));
    BASIN_CHECK(values.size() == n, checkpoint + ": " + name, "found {} values, expected {}",
                values.size(), n);
    return values;
  };
  progress.epoch = static_cast<int>(get("state/epoch", 1)[0]);
  progress.step_in_epoch = static_cast<int64_t>(get("state/step_in_epoch", 1)[0]);
  const std::vector<double> sums = get("state/sums", 4);
  progress.loss_sum = sums[0];
  progress.correct_sum = sums[1];
  progress.window_loss = sums[2];
  progress.window_accuracy = sums[3];

  // Rows are written before the checkpoint: those of an epoch that the checkpoint does not know
  // (the run was killed in between) are dropped, and made again.
  int64_t steps = -1;
  const auto rows = [&](const char* name, auto&& keep) {
    if (!std::filesystem::exists(path(name))) return;
    const std::string text = read_text_file(path(name));
    size_t begin = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const Json row = Json::parse(text.substr(begin, end - begin), nullptr, false);
      BASIN_CHECK(row.is_object(), path(name), "found no JSON object at offset {}", begin);
      keep(row);
    }
  };
  rows("metrics.jsonl", [&](const Json& row) {
    EpochMetrics m{row.value("epoch", 0),           row.value("step", int64_t{0}),
                   row.value("train_loss", 0.0),    row.value("train_accuracy", 0.0),
                   row.value("test_loss", 0.0),     row.value("test_accuracy", 0.0),
                   row.value("learning_rate", 0.0), row.value("images_per_second", 0.0),
                   row.value("seconds", 0.0)};
    if (m.epoch >= progress.epoch) return;
    progress.epochs.push_back(m);
    steps = m.step;
  });
  const int64_t done = std::max<int64_t>(steps, 0) + progress.step_in_epoch;
  rows("progress.jsonl", [&](const Json& row) {
    const int64_t step = row.value("step", int64_t{0});
    if (step > done) return;
    progress.windows.push_back(
        {step, row.value("train_loss", 0.0), row.value("train_accuracy", 0.0)});
  });
}

void RunFiles::finish(const RunProgress& progress) {
  const TrainOptions& o = options_;
  Json summary = progress.epochs.empty() ? Json::object() : row_of(progress.epochs.back());
  summary["parameters"] = parameters_;
  summary["plan_bytes"] = plan_bytes_;
  summary["device"] = o.device;
  summary["threads"] = o.threads;
  summary["configuration"] = {{"model", o.model},
                              {"width", o.width},
                              {"dataset", o.dataset},
                              {"optimizer", o.optimizer.name},
                              {"rho", o.optimizer.rho},
                              {"batch", o.batch},
                              {"epochs", o.epochs},
                              {"lr", o.lr},
                              {"schedule", o.schedule},
                              {"seed", o.seed},
                              {"label_noise", o.label_noise}};
  write_file_atomically(path("summary.json"), summary.dump(2) + "\n");
}

}  // namespace basin
