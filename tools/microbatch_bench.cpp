// SGD, SAM and m-SAM at each size of a group and in each execution, beside PyTorch's accumulation
// loop and torch.func.vmap, all in turns in one run.
#include "tools/microbatch_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/device.h"
#include "engine/io/file.h"
#include "tools/peer.h"
#include "tools/plot.h"
#include "tools/step_row.h"
#include "tools/versions.h"

namespace basin {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model = "resnet_tiny_gn", peer, python = "python3", json, plot;
  std::string executions = "loop,grouped,ghost";
  int64_t width = 16;
  int repeats = 10;
  StepOptions step;
  std::vector<int64_t> sizes;  // of groups; none: halves of the batch
};

// One line of the table. What is of ours has a bench, what is of PyTorch a request.
struct Row {
  StepRow step;
  std::string how;  // "sgd", "sam", "sam, direct", or how m-SAM is executed
  std::unique_ptr<StepBench> bench;
  std::string request;

  int64_t m() const { return step.step.microbatch; }
  double median() const { return step.spread(&StepTimes::step).median; }
};

class Table {
 public:
  Table(const Options& o, const Device& device)
      : o_(o), device_(device), stream_(device.stream(o.step.threads, o.step.tf32)) {
    StepOptions step = o.step;
    step.optimizer.name = "sgd";
    add_ours("sgd", step);
    step.optimizer.name = "sam";
    add_ours("sam", step);
    if (!stream_.is_cuda() && step.precision == Precision::Full) {
      StepOptions direct = step;
      direct.convolution = ConvAlgorithm::Direct;
      add_ours("sam, direct", direct);
    }
    for (const int64_t m : o.sizes) {
      step.microbatch = m;
      for (const std::string& execution : split(o.executions)) {
        step.execution = execution_named(execution);
        add_ours(execution, step);
      }
    }
  }

  void run() {
    std::optional<Peer> peer;
    if (!o_.peer.empty()) {
      peer.emplace(o_.python, peer_arguments());
      peer_version_ = peer->version();
      add_theirs(*peer, "sgd", "eager sgd", o_.step.batch);
      add_theirs(*peer, "sam", "eager sam", o_.step.batch);
      for (const int64_t m : o_.sizes) {
        for (const char* way : {"loop", "vmap"}) {
          add_theirs(*peer, way, fmt::format("{}:{} sam", way, m), m);
        }
      }
    }
    for (int r = 0; r < o_.repeats; ++r) {
      for (Row& row : rows_) {
        let_threads_sleep();
        if (row.bench) {
          row.step.times.push_back({.step = row.bench->step_milliseconds()});
          continue;
        }
        std::string reason;
        const auto ms = peer->step(row.request, reason);
        if (!ms) fail_run("--peer", "pytorch {}: {}", row.request, reason);
        row.step.times.push_back({.step = *ms});
      }
    }
  }

  void print() const {
    fmt::print("{}, width {}, batch {}, {}, {} threads, on {}; ms, {} repeats, in turns\n\n",
               o_.model, o_.width, o_.step.batch, precision_name(o_.step), o_.step.threads,
               stream_.is_cuda() ? cuda_device_description(device_.index) : processor(),
               o_.repeats);
    fmt::print("{:>5}  {:<8} {:<12} {:>9} {:>9} {:>9} {:>7} {:>9} {:>9}\n", "m", "engine", "how",
               "median", "min", "max", "/ SAM", "/ PyTorch", "plan MiB");
    for (const Row& row : rows_) {
      const Spread ms = row.step.spread(&StepTimes::step);
      fmt::print("{:>5}  {:<8} {:<12} {:>9.2f} {:>9.2f} {:>9.2f} {:>7.2f}", row.m(),
                 row.step.engine, row.how, ms.median, ms.min, ms.max,
                 ms.median / sam_of(row.step.engine));
      const double theirs = row.bench ? best_peer(row) : 0;
      fmt::print(" {:>9}", theirs > 0 ? fmt::format("{:.2f}", ms.median / theirs) : "");
      if (row.bench) fmt::print(" {:>9.1f}", plan_mebibytes(row));
      fmt::print("\n");
    }
    fmt::print("\n/ SAM: the same engine's step of SAM; / PyTorch {}: its faster way at this m\n",
               peer_version_);
    for (const std::string& note : notes_) fmt::print("not measured: {}\n", note);
  }

  Json json(const std::string& command) const {
    Json all;
    all["context"] = measurement_context(o_.step.threads, command);
    all["context"]["device"] = device_.name();
    if (stream_.is_cuda()) all["context"]["gpu"] = cuda_device_description(device_.index);
    all["context"]["pytorch"] = peer_version_;
    for (const Row& row : rows_) {
      Json r = to_json(row.step);
      r["microbatch"] = row.m();
      r["how"] = row.how;
      r["ratio_to_sam"] = row.median() / sam_of(row.step.engine);
      if (row.bench) r["plan_mib"] = plan_mebibytes(row);
      all["results"].push_back(std::move(r));
    }
    return all;
  }

 private:
  void add_ours(const std::string& how, const StepOptions& step) {
    const ModelOptions network{.name = o_.model, .width = o_.width};
    Row row{{.model = o_.model,
             .width = o_.width,
             .step = step,
             .precision = precision_name(step),
             .times = {}},
            how,
            nullptr,
            ""};
    try {
      row.bench = std::make_unique<StepBench>(stream_, network, step);
    } catch (const Error& error) {  // an execution that the network or the memory does not allow
      notes_.push_back(fmt::format("m {}, {}: {}", step.microbatch, how, error.what()));
      return;
    }
    if (row.m() == 0) row.step.step.microbatch = step.batch;
    rows_.push_back(std::move(row));
  }

  void add_theirs(Peer& peer, const std::string& how, const std::string& request, int64_t m) {
    std::string reason;
    if (!peer.step(request, reason)) {
      notes_.push_back(fmt::format("pytorch {}: {}", request, reason));
      return;
    }
    StepOptions step = o_.step;
    step.microbatch = m;
    step.optimizer.name = how == "sgd" ? how : "sam";
    rows_.push_back({{.model = o_.model,
                      .width = o_.width,
                      .step = step,
                      .engine = "pytorch",
                      .precision = "float32",
                      .times = {}},
                     how,
                     nullptr,
                     request});
  }

  std::vector<std::string> peer_arguments() const {
    const auto text = [](int64_t n) { return std::to_string(n); };
    return {"--model",   o_.model,
            "--width",   text(o_.width),
            "--batch",   text(o_.step.batch),
            "--threads", text(o_.step.threads),
            "--device",  device_.name()};
  }

  double sam_of(const std::string& engine) const {
    const auto sam = std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) {
      return row.step.engine == engine && row.how == "sam";
    });
    return sam->median();
  }
  // At the row's m and optimiser; 0 where none was measured.
  double best_peer(const Row& ours) const {
    double best = 0;
    for (const Row& row : rows_) {
      if (row.bench || row.m() != ours.m() ||
          row.step.step.optimizer.name != ours.step.step.optimizer.name) {
        continue;
      }
      if (best == 0 || row.median() < best) best = row.median();
    }
    return best;
  }
  static double plan_mebibytes(const Row& row) {
    return static_cast<double>(row.bench->replay().bytes()) / (1 << 20);
  }

  const Options& o_;
  Device device_;
  Stream stream_;
  std::vector<Row> rows_;  // ours first
  std::vector<std::string> notes_;
  std::string peer_version_;
};

int run(Options& o, const CommonOptions& common) {
  o.step.threads = common.threads;
  if (o.sizes.empty()) {
    for (int64_t m = o.step.batch / 2; m >= 1; m /= 2) o.sizes.push_back(m);
    std::reverse(o.sizes.begin(), o.sizes.end());
  }
  BASIN_CHECK(!o.sizes.empty() && o.sizes.back() < o.step.batch, "--microbatches",
              "found {}, expected less than the batch of {}", o.sizes.empty() ? 0 : o.sizes.back(),
              o.step.batch);
  // A path that cannot be written to is said before anything is measured.
  if (!o.plot.empty()) AtomicFile(o.plot);
  if (!o.json.empty()) AtomicFile(o.json);
  Table table(o, Device::parse(common.device));
  table.run();
  if (!common.quiet) table.print();
  const std::string command = fmt::format(
      "basin bench microbatch --device {} --model {} --width {} --batch {} {} --microbatches {} "
      "--executions {} --repeats {}{}",
      common.device, o.model, o.width, o.step.batch, arithmetic_options(o.step),
      fmt::join(o.sizes, ","), o.executions, o.repeats, o.peer.empty() ? "" : " --peer " + o.peer);
  const std::string text = table.json(command).dump(2) + "\n";
  if (!o.json.empty()) write_file_atomically(o.json, text);
  if (!o.plot.empty()) draw_json("microbatch", text, o.plot, "--plot");
  return 0;
}

}  // namespace

std::pair<CommandLine, Command> add_microbatch_bench(CommandLine bench) {
  const CommandLine command = bench.add_command(
      "microbatch", "What m-SAM costs, from groups of half the batch down to one example");
  auto o = std::make_shared<Options>();
  auto common = std::make_shared<CommonOptions>();
  add_network_options(command, o->model, o->width);
  add_batch_option(command, o->step);
  add_rising_numbers(command, "--microbatches", o->sizes, 1 << 20,
                     "examples of a group; by default half the batch, a quarter, … 1")
      .default_str("");
  command.add_option("--executions", o->executions, "of m-SAM, as loop,grouped")
      .capture_default_str();
  command.add_option("--repeats", o->repeats, "rounds; in each, all rows take turns")
      .check(between(1, 100000))
      .capture_default_str();
  command.add_option("--peer", o->peer, "pytorch, measured in the same run, in turns with ours")
      .check(one_of({"pytorch"}));
  command.add_option("--python", o->python, "the interpreter that has PyTorch")
      .capture_default_str();
  command.add_option("--json", o->json, "a file for the results").type_name("FILE");
  command.add_option("--plot", o->plot, "a picture, .png or .svg")
      .check(picture())
      .type_name("FILE");
  add_step_options(command, o->step);
  add_common_options(command, *common);
  command.footer(
      "Example:\n  basin bench microbatch --peer pytorch --python venv/bin/python --plot m.png");
  return {command, [=] { return run(*o, *common); }};
}

}  // namespace basin
