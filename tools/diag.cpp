// basin diag: diagonal linear networks on sparse regression by GD, SGD, n-SAM and 1-SAM, one run or
// a sweep.
#include <filesystem>

#include "engine/checkpoint.h"
#include "engine/device.h"
#include "engine/io/npy.h"
#include "kernels/error.h"
#include "tools/cli.h"
#include "tools/diag_line.h"
#include "tools/diag_report.h"
#include "tools/plot.h"
#include "tools/terminal.h"

namespace basin {
namespace {

// u and v of every trajectory: [trajectories, 2, d].
void write_weights(const DiagRuns& runs, const std::string& path) {
  std::vector<double> all;
  const auto m = static_cast<int64_t>(runs.settings().size());
  for (int64_t i = 0; i < m; ++i) {
    for (const std::vector<double>& values : {runs.sweep().u(i), runs.sweep().v(i)}) {
      all.insert(all.end(), values.begin(), values.end());
    }
  }
  write_npy(path, host_tensor("weights", DType::Float64, {m, 2, runs.d()}, all));
}

// Returns "" or why there is no picture.
std::string write_results(const DiagRuns& runs, const CommonOptions& common) {
  const std::string& out = runs.options().out;
  const std::string name = runs.single() ? "curves" : "sweep";
  const ResultFiles table(out, name), weights(out, "weights"), summary(out, "summary");
  table.write("csv", runs.single() ? diag_curves_csv(runs) : diag_sweep_csv(runs));
  if (runs.single()) weights.write("csv", diag_weights_csv(runs));
  write_weights(runs, out + "/weights.npy");
  const std::string json = out + "/summary.json";
  summary.write("json", diag_summary_json(runs, common.device, common.threads));
  std::string problem;
  for (const char* suffix : {"png", "svg"}) {
    problem = run_plot({"diag", json, "--out", fmt::format("{}/{}.{}", out, name, suffix)});
  }
  return problem;
}

// What an earlier run left under names that this one may not write.
void remove_results(const std::string& out) {
  for (const char* name : {"summary.json", "curves.csv", "curves.png", "curves.svg", "sweep.csv",
                           "sweep.png", "sweep.svg", "weights.csv", "weights.npy"}) {
    std::error_code none;
    std::filesystem::remove(out + "/" + name, none);
  }
}

int run(const DiagOptions& options, const CommonOptions& common) {
  if (!options.between.empty()) {
    write_diag_line(options);
    if (!common.quiet) fmt::print("written to {} (line.csv, summary.json)\n", options.out);
    return 0;
  }
  const Stream stream = Device::parse(common.device).stream(common.threads);
  DiagRuns runs(stream, options);
  const ResultFiles files(options.out, "summary");  // said before anything is run
  remove_results(options.out);
  ProgressLine progress(common.quiet ? Quiet::Yes : Quiet::No);
  runs.run([&](int64_t done) {
    progress.show(static_cast<double>(done) / static_cast<double>(runs.steps()),
                  fmt::format("step {}/{}", done, runs.steps()));
  });
  progress.clear();
  const std::string problem = write_results(runs, common);
  if (!common.quiet) {
    const double steps =
        static_cast<double>(runs.steps()) * static_cast<double>(runs.settings().size());
    const char* written = runs.single() ? "summary.json, curves.csv, curves.png, curves.svg, "
                                          "weights.csv, weights.npy"
                                        : "summary.json, sweep.csv, sweep.png, sweep.svg, "
                                          "weights.npy";
    fmt::print("{}{:.3g} steps a second\n{}\n",
               options.theory ? diag_theory(runs) : diag_table(runs), steps / runs.seconds(),
               problem.empty() ? fmt::format("written to {} ({})", options.out, written) : problem);
  }
  if (runs.single() && runs.sweep().diverged(0) >= 0) {
    fail_run(fmt::format("iteration {}", runs.sweep().diverged(0)),
             "the loss is not finite behind it: use a smaller --gamma or --rho");
  }
  return 0;
}

}  // namespace

Command add_diag(CommandLine app) {
  const CommandLine command = app.add_command(
      "diag", "Diagonal linear networks: GD, SGD, n-SAM and 1-SAM on sparse regression");
  auto o = std::make_shared<DiagOptions>();
  auto common = std::make_shared<CommonOptions>();
  auto then = std::make_shared<std::vector<std::string>>();
  add_diag_options(command, *o, *then);
  command
      .add_option("--between", o->between,
                  "no run, but the losses on the line between the weights.npy of two")
      .expected(2);
  command.add_option("--from", o->from, "of the line: 0 is the first, 1 the second")
      .check(finite())
      .capture_default_str();
  command.add_option("--to", o->to, "of the line").check(finite()).capture_default_str();
  command.add_option("--points", o->points, "of the line").check(at_least(2)).capture_default_str();
  command
      .add_option("--out", o->out,
                  "the folder of what is written: summary.json, curves.csv (or sweep.csv), "
                  "weights and pictures")
      .capture_default_str();
  add_common_options(command, *common);
  replace_seed_option(command, o->seeds);
  command.footer(
      "f(x) = <x, u o v>, loss |X (u o v) - y|^2 / (2n), in float64. Comma lists of algorithms,\n"
      "seeds, alpha, gamma and rho make a sweep, a row of sweep.csv each; a run that diverges is\n"
      "marked there, and the others go on. Row i of curves.csv is the state behind update i + 1.\n"
      "Examples: figures of Andriushchenko & Flammarion 2022, by their own numbers\n"
      "  basin diag --rng numpy --algorithm 1sam --alpha 0.02 --gamma 1/6 --rho 0.1\n"
      "  basin diag --rng numpy --algorithm gd,nsam,1sam --gamma 1/2 "
      "--rho 0.001,0.003,0.01,0.03,0.1,0.3,0.9\n"
      "  basin diag --rng numpy --gamma 1/30 --then 1sam:rho=10\n"
      "  basin diag --rng numpy --between out/a/weights.npy out/b/weights.npy\n"
      "  basin diag --theory");
  return [=] { return run(checked(*o, command, *then), *common); };
}

}  // namespace basin
