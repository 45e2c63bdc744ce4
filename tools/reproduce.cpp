// basin reproduce: an experiment of the paper, its numbers, its figure, and both beside the
// paper's.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/device.h"
#include "engine/io/file.h"
#include "kernels/error.h"
#include "kernels/stream.h"
#include "tools/cli.h"
#include "tools/experiment.h"
#include "tools/plot.h"
#include "tools/process.h"
#include "tools/run_queue.h"
#include "tools/stopwatch.h"
#include "tools/terminal.h"
#include "tools/versions.h"

namespace basin {
namespace {

struct Options {
  std::string name, scale = "small", out, dataset;
  std::vector<uint64_t> seeds;  // none: the scale's
  bool list = false;
};

void print_list() {
  for (const std::string& name : experiment_names()) {
    const Experiment e = read_experiment(experiment_file(name), "small");
    fmt::print("{:<20} {} ({} runs)\n{:<20} {}\n", name, e.title, e.runs.size(), "", e.source);
  }
}

std::vector<QueuedRun> queue_of(const Experiment& e, const std::string& out,
                                const CommonOptions& common) {
  std::vector<QueuedRun> queue;
  for (const Experiment::Run& run : e.runs) {
    QueuedRun queued{run.name, out + "/runs/" + run.name, run.words, run.may_diverge};
    for (std::string& word : queued.words) {  // another run's files
      if (word.starts_with("runs/")) word.insert(0, out + "/");
    }
    const auto add = [&](const char* option, const std::string& value) {
      queued.words.insert(queued.words.end(), {option, value});
    };
    add("--out", queued.folder);
    add("--device", common.device);
    add("--threads", std::to_string(e.serial ? common.threads : 1));
    queued.words.emplace_back("--quiet");
    queue.push_back(std::move(queued));
  }
  return queue;
}

int run(Options o, const CommonOptions& common) {
  if (o.list) {
    print_list();
    return 0;
  }
  BASIN_CHECK(!o.name.empty(), "NAME", "found none, expected an experiment: --list shows them");
  const std::string file = experiment_file(o.name);
  std::map<std::string, std::string> variables;
  if (!o.dataset.empty()) variables["dataset"] = o.dataset;
  const Experiment e = read_experiment(file, o.scale, variables, o.seeds);
  if (o.out.empty()) o.out = "out/" + e.name;
  const ResultFiles files(o.out, "reproduced");
  ProgressLine progress(common.quiet ? Quiet::Yes : Quiet::No);
  const auto show = [&](int64_t done) {
    progress.show(static_cast<double>(done) / static_cast<double>(e.runs.size()),
                  fmt::format("{}: run {}/{}", e.name, done, e.runs.size()));
  };
  const Stopwatch watch;
  show(0);
  run_queue(queue_of(e, o.out, common), e.serial ? 1 : common.threads, show);
  progress.clear();
  auto context = measurement_context(
      common.threads,
      fmt::format("basin reproduce {} --scale {}{}{}", o.name, o.scale,
                  o.dataset.empty() ? "" : " --dataset " + o.dataset,
                  o.seeds.empty() ? "" : fmt::format(" --seed {}", fmt::join(o.seeds, ","))));
  if (common.device != "cpu") {
    context["processor"] = cuda_device_description(Device::parse(common.device).index);
  }
  context["seconds"] = watch.seconds();
  files.write("json", nlohmann::ordered_json{{"experiment", file},
                                             {"scale", o.scale},
                                             {"variables", variables},
                                             {"seeds", o.seeds},
                                             {"context", context}}
                              .dump(2) +
                          "\n");
  if (!run_python("reproduce.py", {o.out})) {
    fail_run("report", "the runs are done, but python3 (3.11 or later) {}/reproduce.py {} failed",
             tools_folder(), o.out);
  }
  if (!common.quiet) {
    fmt::print("{}written to {} (report.md, figure.png, figure.svg, numbers.json, runs/)\n",
               read_text_file(o.out + "/table.txt"), o.out);
  }
  return 0;
}

}  // namespace

Command add_reproduce(CommandLine app) {
  const CommandLine command = app.add_command(
      "reproduce", "Runs an experiment of the paper, draws it, and sets it beside the paper's");
  auto o = std::make_shared<Options>();
  auto common = std::make_shared<CommonOptions>();
  command.add_option("NAME", o->name, "one of those that --list shows, or a file NAME.toml");
  command.add_flag("--list", o->list, "the experiments, what they show, and where in the paper");
  command.add_option("--scale", o->scale, "small: minutes on two cores; paper: the paper's recipe")
      .capture_default_str();
  command.add_option("--dataset", o->dataset, "of the deep networks, in place of the scale's");
  command.add_option("--out", o->out, "the folder of what is written [out/NAME]");
  add_common_options(command, *common);
  replace_seed_option(command, o->seeds);
  command.footer(
      "Runs that are done are not run again, and training that was cut off is resumed. A file of\n"
      "one's own is an experiment too: tools/reproduce/README.md says what stands in it.\n"
      "Examples:\n  basin reproduce diag-1sam\n  basin reproduce fig1 --scale paper --device cuda");
  return [=] { return run(*o, *common); };
}

}  // namespace basin
