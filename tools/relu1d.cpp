// basin relu1d: networks of one hidden ReLU layer on points (x, y), by gradient descent or SAM.
#include <filesystem>

#include "engine/device.h"
#include "engine/io/file.h"
#include "kernels/error.h"
#include "tools/cli.h"
#include "tools/plot.h"
#include "tools/relu1d_report.h"
#include "tools/terminal.h"

namespace basin {
namespace {

// Where the files of run i go.
std::string folder_of(const Relu1dOptions& o, size_t i) {
  return o.seeds.size() == 1 ? o.out : fmt::format("{}/seed-{}", o.out, o.seeds[i]);
}

// What an earlier run left under names that this one may not write.
void remove_results(const std::string& folder) {
  for (const char* name : {"summary.json", "curves.csv", "function.csv", "function.png",
                           "function.svg", "kinks.csv", "points.csv", "weights.csv", "sweep.csv"}) {
    std::error_code none;
    std::filesystem::remove(folder + "/" + name, none);
  }
}

// Returns "" or why there is no picture.
std::string write_run(const Relu1dRuns& runs, size_t i) {
  const std::string folder = folder_of(runs.options(), i);
  const auto write = [&](const char* name, const std::string& text) {
    write_file_atomically(folder + "/" + name, text);
  };
  write("curves.csv", relu1d_curves_csv(runs, i));
  write("function.csv", relu1d_function_csv(runs, i));
  write("kinks.csv", relu1d_kinks_csv(runs, i));
  write("weights.csv", relu1d_weights_csv(runs, i));
  write("points.csv", relu1d_points_csv(runs));
  write("summary.json", relu1d_summary_json(runs, i));
  std::string problem;
  for (const char* suffix : {"png", "svg"}) {
    problem = run_plot({"relu1d", folder + "/summary.json", "--out",
                        fmt::format("{}/function.{}", folder, suffix)});
  }
  return problem;
}

int run(const Relu1dOptions& o, const CommonOptions& common) {
  const Stream stream = Device::parse(common.device).stream(common.threads);
  BASIN_CHECK(!stream.is_cuda(), "--device",
              "found {}, expected cpu: these networks fit a core's cache", common.device);
  Relu1dRuns runs(stream, o);
  for (size_t i = 0; i < o.seeds.size(); ++i) {  // said before anything is run
    const ResultFiles files(folder_of(o, i), "summary");
    remove_results(folder_of(o, i));
  }
  remove_results(o.out);
  ProgressLine progress(common.quiet ? Quiet::Yes : Quiet::No);
  runs.run([&](int64_t done) {
    progress.show(static_cast<double>(done) / static_cast<double>(o.steps),
                  fmt::format("step {}/{}", done, o.steps));
  });
  progress.clear();
  std::string problem;
  for (size_t i = 0; i < o.seeds.size(); ++i) problem = write_run(runs, i);
  if (o.seeds.size() > 1) write_file_atomically(o.out + "/sweep.csv", relu1d_sweep_csv(runs));
  if (!common.quiet) {
    const std::string written = fmt::format(
        "written to {} ({}summary.json, function.csv, function.png, function.svg, kinks.csv, "
        "curves.csv, weights.csv, points.csv)",
        o.out, o.seeds.size() == 1 ? "" : "sweep.csv; in a folder for each seed ");
    fmt::print("{}{:.3g} steps a second\n{}\n", relu1d_table(runs),
               static_cast<double>(runs.steps_done()) / runs.seconds(),
               problem.empty() ? written : problem);
  }
  if (o.seeds.size() == 1 && runs.progress(0).end == Relu1dEnd::Diverged) {
    fail_run("relu1d", "the loss is not finite in step {}: use a smaller --lr or --rho",
             runs.progress(0).steps);
  }
  return 0;
}

}  // namespace

Command add_relu1d(CommandLine app) {
  const CommandLine command = app.add_command(
      "relu1d", "One-hidden-layer ReLU networks on points (x, y): gradient descent and SAM");
  auto o = std::make_shared<Relu1dOptions>();
  auto common = std::make_shared<CommonOptions>();
  add_relu1d_options(command, *o);
  add_common_options(command, *common);
  replace_seed_option(command, o->seeds);
  command.footer(
      "f(x) = sum_j a_j relu(w_j x + b_j), loss 1/2 sum_k (f(x_k) - y_k)^2, full batch, float32. "
      "In\n"
      "summary.json loss is that of the last weights, loss_perturbed the one that the last step\n"
      "found; kinks are places -b_j / w_j between the data's ends, those less than 0.02 apart\n"
      "joined, that change f's slope by more than 0.5 (kinks_large: by more than 2); slope_change\n"
      "is the sum over all of them of |change|, variation that of |f(x + 0.01) - f(x)|, path_norm\n"
      "that of |a_j w_j|. Data of another width than the paper's, 2.75, has 0.01 scaled by it.\n"
      "Several seeds: a folder for each, seed-N, and sweep.csv; one that diverges is marked "
      "there.\n"
      "Examples: Andriushchenko & Flammarion 2022, ERM and SAM\n"
      "  basin relu1d --rng torch --seed 0,1,2,3,4 --out out/relu1d-erm\n"
      "  basin relu1d --rng torch --seed 0,1,2,3,4 --rho 0.3 --out out/relu1d-sam");
  return [=] { return run(*o, *common); };
}

}  // namespace basin
