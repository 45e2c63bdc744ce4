// basin bench: what a training step costs, and where it goes, beside PyTorch in the same run.
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/device.h"
#include "engine/io/file.h"
#include "tools/bench_kernels.h"
#include "tools/chunk_choice.h"
#include "tools/cli.h"
#include "tools/microbatch_bench.h"
#include "tools/peer.h"
#include "tools/scaling_bench.h"
#include "tools/step_row.h"
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

class StepTable {
 public:
  StepTable(const Options& o, const Device& device)
      : o_(o), device_(device), stream_(device.stream(o.step.threads, o.step.tf32)) {
    const ModelOptions network{.name = o.model, .width = o.width};
    const std::vector<std::string> names = split(o.step.optimizer.name);
    StepOptions step = o.step;
    step.optimizer.name = names[0];
    choose_chunk(stream_, network, DType::Float32, step);  // once: all rows have the same
    for (const std::string& name : names) {
      step.optimizer.name = name;
      ours_.push_back(std::make_unique<StepBench>(stream_, network, step));
      rows_.push_back({.model = o.model,
                       .width = o.width,
                       .step = step,
                       .precision = precision_name(step),
                       .times = {}});
    }
  }

  void run() {
    std::optional<Peer> peer;
    if (!o_.peer.empty()) {
      peer.emplace(o_.python, peer_arguments());
      peer_version_ = peer->version();
      for (size_t i = 0; i < ours_.size(); ++i) {
        for (const char* mode : {"eager", "compiled", stream_.is_cuda() ? "graph" : "chunks"}) {
          const std::string request = mode + (" " + rows_[i].step.optimizer.name);
          std::string reason;
          if (peer->step(request, reason)) {
            rows_.push_back({.model = o_.model,
                             .width = o_.width,
                             .step = rows_[i].step,
                             .engine = std::string("pytorch ") + mode,
                             .precision = peer_precision(),
                             .times = {}});
          } else {
            notes_.push_back("pytorch " + request + ": " + reason);
          }
        }
      }
    }
    for (int r = 0; r < o_.repeats; ++r) {
      for (size_t i = 0; i < rows_.size(); ++i) {
        let_threads_sleep();
        if (i < ours_.size()) {
          rows_[i].times.push_back(ours_[i]->measure());
        } else {
          std::string reason;
          const std::string mode = rows_[i].engine.substr(rows_[i].engine.find(' ') + 1);
          const auto ms = peer->step(mode + " " + rows_[i].step.optimizer.name, reason);
          if (!ms) fail_run("--peer", "pytorch {}: {}", mode, reason);
          rows_[i].times.push_back({.step = *ms});
        }
      }
    }
    bandwidth_ = ours_[0]->update_bandwidth();
  }

  void print() const {
    fmt::print("{}, width {}, batch {}, {}, {}; ms, {} repeats, alternating\n\n", o_.model,
               o_.width, o_.step.batch, precision_name(o_.step), place(), o_.repeats);
    fmt::print("{:<9} {:<17} {:>8} {:>8} {:>8}", "optimizer", "engine", "median", "min", "max");
    for (const StepPart& part : kStepParts) fmt::print(" {:>8}", part.name);
    fmt::print("  {:>7} {:>6} {:>6}\n", "floor", "share", "ratio");
    for (size_t i = 0; i < rows_.size(); ++i) {
      const StepRow& row = rows_[i];
      const Spread ms = row.spread(&StepTimes::step);
      fmt::print("{:<9} {:<17} {:>8.2f} {:>8.2f} {:>8.2f}", row.step.optimizer.name, row.engine,
                 ms.median, ms.min, ms.max);
      if (row.has_parts()) {
        const double floor = floor_of(i);
        for (const StepPart& part : kStepParts) {
          fmt::print(" {:>8.2f}", row.spread(part.time).median);
        }
        if (floor > 0) {
          fmt::print("  {:>7.2f} {:>6.2f}", floor, floor / ms.median);
        } else {
          fmt::print("  {:>7} {:>6}", "-", "-");
        }
        if (const double theirs = best_peer(row.step.optimizer.name); theirs > 0) {
          fmt::print(" {:>6.2f}", ms.median / theirs);
        }
      }
      fmt::print("\n");
    }
    if (!stream_.is_cuda()) {
      fmt::print(
          "\nfloor: the step's convolutions and products, each at its fastest in this run, and "
          "{:.1f} MB of updates\nat {:.0f} GB/s; share: floor / median\n",
          static_cast<double>(ours_.back()->update_bytes()) / 1e6, bandwidth_ / 1e9);
    }
    if (!peer_version_.empty()) {
      fmt::print("ratio: median / the best median of PyTorch {} in {}\n", peer_version_,
                 peer_precision());
    }
    for (const std::string& note : notes_) fmt::print("not measured: {}\n", note);
  }

  Json json(const std::string& command) const {
    Json all;
    all["context"] = measurement_context(o_.step.threads, command);
    all["context"]["device"] = device_.name();
    if (stream_.is_cuda()) all["context"]["gpu"] = cuda_device_description(device_.index);
    all["context"]["pytorch"] = peer_version_;
    all["context"]["chunk"] = ours_[0]->replay().chunk();
    for (size_t i = 0; i < rows_.size(); ++i) {
      Json r = to_json(rows_[i]);
      if (rows_[i].has_parts() && !stream_.is_cuda()) r["floor_ms"] = floor_of(i);
      all["results"].push_back(std::move(r));
    }
    return all;
  }

 private:
  std::string place() const {
    if (stream_.is_cuda()) return "on " + cuda_device_description(device_.index);
    return fmt::format("{} threads, chunks of {}, on {}", o_.step.threads,
                       ours_[0]->replay().chunk(), processor());
  }
  // PyTorch runs as we do on CUDA; on a CPU in float32 always, where it is the faster.
  std::string peer_precision() const {
    return stream_.is_cuda() ? precision_name(o_.step) : "float32";
  }
  std::vector<std::string> peer_arguments() const {
    const auto text = [](int64_t n) { return std::to_string(n); };
    return {"--model",     o_.model,
            "--width",     text(o_.width),
            "--batch",     text(o_.step.batch),
            "--threads",   text(o_.step.threads),
            "--device",    device_.name(),
            "--precision", peer_precision()};
  }

  // The least that a row of ours can take: its products, and its update's bytes; 0 on CUDA.
  double floor_of(size_t i) const {
    if (stream_.is_cuda()) return 0;
    return ours_[i]->products_floor() +
           1e3 * static_cast<double>(ours_[i]->update_bytes()) / bandwidth_;
  }

  double best_peer(const std::string& optimizer) const {
    double best = 0;
    for (const StepRow& row : rows_) {
      if (row.step.optimizer.name != optimizer || row.has_parts()) continue;
      const double ms = row.spread(&StepTimes::step).median;
      if (best == 0 || ms < best) best = ms;
    }
    return best;
  }

  const Options& o_;
  Device device_;
  Stream stream_;
  std::vector<std::unique_ptr<StepBench>> ours_;
  std::vector<StepRow> rows_;  // ours first, in the order of the optimisers
  std::vector<std::string> notes_;
  std::string peer_version_;
  double bandwidth_ = 0;
};

int run_step(Options& o, const CommonOptions& common) {
  o.step.threads = common.threads;
  StepTable table(o, Device::parse(common.device));
  table.run();
  if (!common.quiet) table.print();
  if (!o.json.empty()) {
    const std::string command = fmt::format(
        "basin bench step --device {} --model {} --width {} --batch {} --optimizer {} {} --repeats "
        "{}{}",
        common.device, o.model, o.width, o.step.batch, o.step.optimizer.name,
        arithmetic_options(o.step), o.repeats, o.peer.empty() ? "" : " --peer " + o.peer);
    write_file_atomically(o.json, table.json(command).dump(2) + "\n");
  }
  return 0;
}

}  // namespace

Command add_bench(CommandLine app) {
  const CommandLine command = app.add_command("bench", "Measures what a training step costs");
  command.require_subcommand();
  const CommandLine step = command.add_command("step", "One step and its parts, beside PyTorch's");
  auto o = std::make_shared<Options>();
  o->step.optimizer.name = "sgd,sam";
  auto common = std::make_shared<CommonOptions>();
  add_network_options(step, o->model, o->width);
  add_batch_option(step, o->step);
  step.add_option("--repeats", o->repeats, "measurements of each row, taken in turns")
      .check(between(1, 100000))
      .capture_default_str();
  step.add_option("--peer", o->peer, "pytorch, measured in the same run, in turns with ours")
      .check(one_of({"pytorch"}));
  step.add_option("--python", o->python, "the interpreter that has PyTorch").capture_default_str();
  step.add_option("--json", o->json, "a file for the results").type_name("FILE");
  add_step_options(step, o->step);
  add_common_options(step, *common);
  step.footer(
      "Example:\n  basin bench step --model resnet_tiny_gn --peer pytorch --python "
      "venv/bin/python");
  const auto [scaling, run_scaling] = add_scaling_bench(command);
  const auto [microbatch, run_microbatch] = add_microbatch_bench(command);
  const CommandLine kernels =
      command.add_command("kernels", "Every kernel alone, beside what the machine can do at most");
  auto k = std::make_shared<KernelBenchOptions>();
  kernels.add_option("--filter", k->filter, "a regular expression on the kernels' names")
      .capture_default_str();
  kernels.add_option("--min-time", k->min_time, "seconds a benchmark")
      .check(positive())
      .capture_default_str();
  kernels
      .add_option("--json", k->json, "a file for Google Benchmark's output (compare.py reads it)")
      .type_name("FILE");
  kernels.add_option("--device", k->device, "cpu, or cuda: the first GPU")
      .check(one_of({"cpu", "cuda"}))
      .capture_default_str();
  kernels.footer("Example:\n  basin bench kernels --filter sam");
  command.footer("Example:\n  basin bench step --model resnet_tiny_gn --batch 128");
  return [=, scaling = scaling, run_scaling = run_scaling, microbatch = microbatch,
          run_microbatch = run_microbatch] {
    if (kernels.parsed()) return run_kernel_bench(*k);
    if (microbatch.parsed()) return run_microbatch();
    return scaling.parsed() ? run_scaling() : run_step(*o, *common);
  };
}

}  // namespace basin
