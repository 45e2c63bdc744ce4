#include "tools/run_files.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/checkpoint.h"
#include "engine/io/file.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

// Each field of a row of metrics.jsonl, in its order.
template <class Metrics, class Field>
void each_field(Metrics& m, const Field& field) {
  field("epoch", m.epoch);
  field("step", m.step);
  field("train_loss", m.train_loss);
  field("train_accuracy", m.train_accuracy);
  field("test_loss", m.test_loss);
  field("test_accuracy", m.test_accuracy);
  field("learning_rate", m.learning_rate);
  field("images_per_second", m.images_per_second);
  field("seconds", m.seconds);
  field("validation_loss", m.validation_loss);
  field("validation_accuracy", m.validation_accuracy);
  field("clean_accuracy", m.clean_accuracy);
  field("noisy_accuracy", m.noisy_accuracy);
}

Json row_of(const EpochMetrics& m) {
  Json row;
  each_field(m, [&]<class V>(const char* name, const V& value) {
    if constexpr (std::is_same_v<V, std::optional<double>>) {
      if (value) row[name] = *value;
    } else {
      row[name] = value;
    }
  });
  return row;
}

EpochMetrics metrics_of(const Json& row) {
  EpochMetrics m;
  each_field(m, [&]<class V>(const char* name, V& value) {
    if (!row.contains(name) || !row[name].is_number()) return;
    if constexpr (std::is_same_v<V, std::optional<double>>) {
      value = row[name].template get<double>();
    } else {
      row[name].get_to(value);
    }
  });
  return m;
}

// The options in which two runs differ, as "seed=0, rho=0.1"; those of `a`.
std::string difference(const Json& a, const Json& b) {
  std::string text;
  for (const auto& [key, value] : a.items()) {
    if (b.contains(key) && b[key] == value) continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", key, value.dump());
  }
  return text.empty() ? "no such option" : text;
}

}  // namespace

void RunProgress::note_step(int64_t step, double loss, double accuracy) {
  window_loss += loss;
  window_accuracy += accuracy;
  if (step % kWindow != 0) return;
  windows.push_back({step, window_loss / kWindow, window_accuracy / kWindow});
  window_loss = window_accuracy = 0;
}

const EpochMetrics* RunProgress::best() const {
  const EpochMetrics* best = nullptr;
  for (const EpochMetrics& m : epochs) {
    if (!m.validation_accuracy) continue;
    if (best == nullptr || *m.validation_accuracy > *best->validation_accuracy) best = &m;
  }
  return best;
}

int64_t RunProgress::sam_steps(const TrainOptions& o) const {
  int64_t steps = 0, before = 0;
  for (const EpochMetrics& m : epochs) {
    if (ascends_in(o, m.epoch)) steps += m.step - before;
    before = m.step;
  }
  return steps;
}

RunFiles::RunFiles(const TrainOptions& options, const Stream& stream)
    : options_(options), stream_(stream) {}

void RunFiles::start(const Model& model, int64_t plan_bytes, const std::string& execution) {
  execution_ = execution;
  plan_bytes_ = plan_bytes;
  parameters_ = model.parameters->count();
  std::error_code error;
  std::filesystem::create_directories(options_.out, error);
  BASIN_CHECK(!error, "--out", "could not make the folder {}: {}", options_.out, error.message());
  if (!options_.resume) {
    for (const char* name : {"checkpoint.safetensors", "best.safetensors", "metrics.jsonl",
                             "progress.jsonl", "summary.json", "plot.png"}) {
      std::filesystem::remove(path(name), error);
    }
  }
  write_file_atomically(path("config.toml"), config_text(options_));
}

void RunFiles::write_rows(const RunProgress& progress) const {
  std::string metrics, windows;
  for (const EpochMetrics& m : progress.epochs) {
    Json row = row_of(m);
    row["precision"] = precision_name(options_.step);
    metrics += row.dump() + "\n";
  }
  for (const RunProgress::Window& w : progress.windows) {
    windows +=
        Json{{"step", w.step}, {"train_loss", w.loss}, {"train_accuracy", w.accuracy}}.dump();
    windows += "\n";
  }
  write_file_atomically(path("metrics.jsonl"), metrics);
  write_file_atomically(path("progress.jsonl"), windows);
}

// The network, and the run that it is of.
TensorFile RunFiles::network_file(const TrainState& state) const {
  TensorFile file;
  file.metadata["basin"] = identity(options_).dump();
  put_arena(file, "", stream_, state.weights);
  if (state.running) put_arena(file, "", stream_, *state.running);
  return file;
}

void RunFiles::save(const RunProgress& progress, TrainState& state) {
  TensorFile file = network_file(state);
  put_arena(file, "momentum/", stream_, state.optimizer->velocity());
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

void RunFiles::save_best(const TrainState& state) {
  write_safetensors(path("best.safetensors"), network_file(state));
}

void RunFiles::load(RunProgress& progress, TrainState& state) {
  const std::string checkpoint = path("checkpoint.safetensors");
  BASIN_CHECK(std::filesystem::exists(checkpoint), "--resume",
              "found no {}: start the run without --resume", checkpoint);
  const TensorFile file = read_safetensors(checkpoint);
  get_arena(file, checkpoint, "", stream_, state.weights);
  if (state.running) get_arena(file, checkpoint, "", stream_, *state.running);
  get_arena(file, checkpoint, "momentum/", stream_, state.optimizer->velocity());
  const auto found = file.metadata.find("basin");
  const Json is =
      found == file.metadata.end() ? Json() : Json::parse(found->second, nullptr, false);
  BASIN_CHECK(is.is_object(), checkpoint, "found no options of a run in its metadata");
  const Json asked = identity(options_);
  BASIN_CHECK(is == asked, "--resume", "{} is of another run: found {}, expected {}", checkpoint,
              difference(is, asked), difference(asked, is));
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
    const EpochMetrics m = metrics_of(row);
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
  if (const EpochMetrics* best = progress.best()) {
    summary["best_epoch"] = best->epoch;
    summary["best_validation_accuracy"] = *best->validation_accuracy;
    summary["test_accuracy_at_best"] = best->test_accuracy;
  }
  if (o.step.optimizer.name != "sgd") summary["sam_steps"] = progress.sam_steps(o);
  summary["parameters"] = parameters_;
  summary["plan_bytes"] = plan_bytes_;
  if (!execution_.empty()) summary["microbatch_execution"] = execution_;
  summary["device"] = o.device;
  summary["threads"] = o.step.threads;
  summary["configuration"] = configuration(o);
  write_file_atomically(path("summary.json"), summary.dump(2) + "\n");
}

}  // namespace basin
