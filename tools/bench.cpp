// basin bench: what a training step costs, and where it goes, beside PyTorch in the same run.
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "engine/io/file.h"
#include "tools/bench_kernels.h"
#include "tools/cli.h"
#include "tools/peer.h"
#include "tools/step_bench.h"
#include "tools/versions.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model = "resnet_tiny_gn", peer, python = "python3", json;
  int64_t width = 16;
  int repeats = 20;
  StepOptions step;  // its optimizer's name is a list, with commas
};

// A row of the table: one engine's way of one optimiser's step.
struct Row {
  std::string optimizer, engine;
  std::vector<double> ms;
  std::optional<StepTimes> parts;  // medians
  double floor = 0;                // of ours

  double best() const { return *std::min_element(ms.begin(), ms.end()); }
  double worst() const { return *std::max_element(ms.begin(), ms.end()); }
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words(1);
  for (const char c : list) {
    if (c == ',') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

StepTimes medians(const std::vector<StepTimes>& all) {
  StepTimes result;
  for (double StepTimes::*part : {&StepTimes::step, &StepTimes::forward, &StepTimes::backward,
                                  &StepTimes::norm, &StepTimes::ascent, &StepTimes::descent}) {
    std::vector<double> values;
    for (const StepTimes& t : all) values.push_back(t.*part);
    result.*part = median(values);
  }
  return result;
}

// PyTorch's threads spin for a while behind a step of theirs, and so do ours.
void let_threads_sleep() {
  std::this_thread::sleep_for(std::chrono::milliseconds(15));
}

class StepTable {
 public:
  explicit StepTable(const Options& o) : o_(o) {
    for (const std::string& name : split(o.step.optimizer.name)) {
      StepOptions step = o.step;
      step.optimizer.name = name;
      ours_.push_back(
          std::make_unique<StepBench>(ModelOptions{.name = o.model, .width = o.width}, step));
      rows_.push_back({name, "basin", {}, {}, 0});
    }
  }

  void run() {
    std::optional<Peer> peer;
    if (!o_.peer.empty()) {
      peer.emplace(o_.python, std::vector<std::string>{"--model", o_.model, "--width",
                                                       std::to_string(o_.width), "--batch",
                                                       std::to_string(o_.step.batch), "--threads",
                                                       std::to_string(o_.step.threads)});
      peer_version_ = peer->version();
      for (size_t i = 0; i < ours_.size(); ++i) {
        for (const char* mode : {"eager", "compiled", "chunks"}) {
          const std::string optimizer = rows_[i].optimizer, request = mode + (" " + optimizer);
          std::string reason;
          if (peer->step(request, reason)) {
            rows_.push_back({optimizer, std::string("pytorch ") + mode, {}, {}, 0});
          } else {
            notes_.push_back("pytorch " + request + ": " + reason);
          }
        }
      }
    }
    std::vector<std::vector<StepTimes>> times(ours_.size());
    for (int r = 0; r < o_.repeats; ++r) {
      for (size_t i = 0; i < rows_.size(); ++i) {
        let_threads_sleep();
        if (i < ours_.size()) {
          times[i].push_back(ours_[i]->measure());
          rows_[i].ms.push_back(times[i].back().step);
        } else {
          std::string reason;
          const std::string mode = rows_[i].engine.substr(rows_[i].engine.find(' ') + 1);
          const auto ms = peer->step(mode + " " + rows_[i].optimizer, reason);
          if (!ms) fail_run("--peer", "pytorch {}: {}", mode, reason);
          rows_[i].ms.push_back(*ms);
        }
      }
    }
    bandwidth_ = ours_[0]->update_bandwidth();
    for (size_t i = 0; i < ours_.size(); ++i) {
      rows_[i].parts = medians(times[i]);
      rows_[i].floor = ours_[i]->products_floor() +
                       1e3 * static_cast<double>(ours_[i]->update_bytes()) / bandwidth_;
    }
  }

  void print() const {
    fmt::print(
        "{}, width {}, batch {}, float32, {} threads, chunks of {}, on {}; ms, {} repeats, "
        "alternating\n\n",
        o_.model, o_.width, o_.step.batch, o_.step.threads, ours_[0]->replay().chunk(), processor(),
        o_.repeats);
    fmt::print("{:<9} {:<17} {:>8} {:>8} {:>8}  {:>8} {:>8} {:>6} {:>6} {:>7}  {:>7} {:>6} {:>6}\n",
               "optimizer", "engine", "median", "min", "max", "forward", "backward", "norm",
               "ascent", "descent", "floor", "share", "ratio");
    for (const Row& row : rows_) {
      const double ms = median(row.ms);
      fmt::print("{:<9} {:<17} {:>8.2f} {:>8.2f} {:>8.2f}", row.optimizer, row.engine, ms,
                 row.best(), row.worst());
      if (row.parts) {
        const StepTimes& p = *row.parts;
        fmt::print("  {:>8.2f} {:>8.2f} {:>6.2f} {:>6.2f} {:>7.2f}  {:>7.2f} {:>6.2f}", p.forward,
                   p.backward, p.norm, p.ascent, p.descent, row.floor, row.floor / ms);
        if (const double theirs = best_peer(row.optimizer); theirs > 0) {
          fmt::print(" {:>6.2f}", ms / theirs);
        }
      }
      fmt::print("\n");
    }
    fmt::print(
        "\nfloor: the step's convolutions and products, each at its fastest in this run, and "
        "{:.1f} MB "
        "of updates\nat {:.0f} GB/s; share: floor / median{}\n",
        static_cast<double>(ours_.back()->update_bytes()) / 1e6, bandwidth_ / 1e9,
        peer_version_.empty() ? ""
                              : "; ratio: median / the best median of PyTorch " + peer_version_);
    for (const std::string& note : notes_) fmt::print("not measured: {}\n", note);
  }

  Json json(const std::string& command) const {
    Json all;
    all["context"] = measurement_context(o_.step.threads, ours_[0]->replay().chunk(), command);
    all["context"]["pytorch"] = peer_version_;
    for (const Row& row : rows_) {
      Json r{{"model", o_.model},           {"width", o_.width},
             {"batch", o_.step.batch},      {"optimizer", row.optimizer},
             {"microbatch", o_.step.batch}, {"engine", row.engine},
             {"precision", "float32"},      {"threads", o_.step.threads},
             {"median_ms", median(row.ms)}, {"min_ms", row.best()},
             {"max_ms", row.worst()},       {"repeats", o_.repeats}};
      if (row.parts) {
        const StepTimes& p = *row.parts;
        r["parts_ms"] = {{"forward", p.forward},
                         {"backward", p.backward},
                         {"norm", p.norm},
                         {"ascent", p.ascent},
                         {"descent", p.descent}};
        r["floor_ms"] = row.floor;
      }
      all["results"].push_back(r);
    }
    return all;
  }

 private:
  double best_peer(const std::string& optimizer) const {
    double best = 0;
    for (const Row& row : rows_) {
      if (row.optimizer != optimizer || row.engine == "basin") continue;
      const double ms = median(row.ms);
      if (best == 0 || ms < best) best = ms;
    }
    return best;
  }

  const Options& o_;
  std::vector<std::unique_ptr<StepBench>> ours_;
  std::vector<Row> rows_;  // ours first, in the order of the optimisers
  std::vector<std::string> notes_;
  std::string peer_version_;
  double bandwidth_ = 0;
};

int run_step(Options& o, const CommonOptions& common) {
  o.step.threads = common.threads;
  StepTable table(o);
  table.run();
  if (!common.quiet) table.print();
  if (!o.json.empty()) {
    const std::string command = fmt::format(
        "basin bench step --model {} --width {} --batch {} --optimizer {} --repeats {}{}", o.model,
        o.width, o.step.batch, o.step.optimizer.name, o.repeats,
        o.peer.empty() ? "" : " --peer " + o.peer);
    write_file_atomically(o.json, table.json(command).dump(2) + "\n");
  }
  return 0;
}

}  // namespace

Command add_bench(CLI::App& app) {
  CLI::App* command = app.add_subcommand("bench", "Measures what a training step costs");
  command->require_subcommand(1);
  CLI::App* step = command->add_subcommand("step", "One step and its parts, beside PyTorch's");
  auto o = std::make_shared<Options>();
  o->step.optimizer.name = "sgd,sam";
  auto common = std::make_shared<CommonOptions>();
  add_network_options(*step, o->model, o->width);
  add_batch_option(*step, o->step);
  step->add_option("--repeats", o->repeats, "measurements of each row, taken in turns")
      ->check(between(1, 100000))
      ->capture_default_str();
  step->add_option("--peer", o->peer, "pytorch, measured in the same run, in turns with ours")
      ->check(one_of({"pytorch"}));
  step->add_option("--python", o->python, "the interpreter that has PyTorch")
      ->capture_default_str();
  step->add_option("--json", o->json, "a file for the results")->type_name("FILE");
  add_step_options(*step, o->step);
  add_common_options(*step, *common);
  step->footer(
      "Example:\n  basin bench step --model resnet_tiny_gn --peer pytorch --python "
      "venv/bin/python");
  CLI::App* kernels = command->add_subcommand(
      "kernels", "Every kernel alone, beside what the machine can do at most");
  auto k = std::make_shared<KernelBenchOptions>();
  kernels->add_option("--filter", k->filter, "a regular expression on the kernels' names")
      ->capture_default_str();
  kernels->add_option("--min-time", k->min_time, "seconds a benchmark")
      ->check(positive())
      ->capture_default_str();
  kernels
      ->add_option("--json", k->json, "a file for Google Benchmark's output (compare.py reads it)")
      ->type_name("FILE");
  kernels->footer("Example:\n  basin bench kernels --filter sam");
  command->footer("Example:\n  basin bench step --model resnet_tiny_gn --batch 128");
  return [=] { return kernels->parsed() ? run_kernel_bench(*k) : run_step(*o, *common); };
}

}  // namespace basin
