// basin info: devices, libraries, what was compiled in, models and their parameter counts.
#include <filesystem>

#include "engine/data/dataset.h"
#include "engine/device.h"
#include "kernels/simd.h"
#include "kernels/stream.h"
#include "models/model.h"
#include "tools/cli.h"
#include "tools/execution_choice.h"
#include "tools/versions.h"

namespace basin {
namespace {

struct Options {
  int64_t width = 16, classes = 10;
  StepOptions step;
};

// How m-SAM's groups would be replayed, for each model.
void print_executions(const Options& o, const CommonOptions& common) {
  const Stream stream = Device::parse(common.device).stream(common.threads);
  fmt::print("m-SAM    a batch of {} in groups of {}, on {} with {} threads\n", o.step.batch,
             o.step.microbatch, common.device, common.threads);
  for (const std::string& name : model_names()) {
    if (name.ends_with("_gn") && o.width % 2 != 0) continue;
    StepOptions step = o.step;
    step.optimizer.name = "sam";
    const ModelOptions network{.name = name, .width = o.width, .classes = o.classes};
    const std::string line = choose_execution(stream, network, DType::Float32, step);
    fmt::print("  {:<16} {}\n", name, line.empty() ? "one group: SAM" : line);
  }
}

int run(const Options& o, const CommonOptions& common) {
  const auto [width, classes] = std::pair(o.width, o.classes);
  fmt::print("basin {}\n", BASIN_VERSION);
  fmt::print("cpu      {}, {} threads, {}\n", processor(), common.threads, cpu::instruction_set());
  const int devices = cuda_device_count();
  for (int i = 0; i < devices; ++i) fmt::print("cuda:{}   {}\n", i, cuda_device_description(i));
  if (devices == 0) fmt::print("cuda     {}\n", cuda_device_description(0));
  fmt::print("library  {}\n", library_versions());
  fmt::print("data     ");
  for (const std::string& name : dataset_names()) {
    bool found = name == "shapes";
    for (const std::string& folder : dataset_folders(name, "")) {
      found = found || std::filesystem::is_directory(folder);
    }
    fmt::print("{}{} ", name, found ? "" : " (not here)");
  }
  fmt::print("\nmodels   parameters at width {}, {} classes, 32x32x3 images\n", width, classes);
  for (const std::string& name : model_names()) {
    const bool group = name.ends_with("_gn");
    if (group && width % 2 != 0) continue;  // width / 2 groups
    const Model model = make_model({.name = name, .width = width, .classes = classes});
    fmt::print("  {:<16} {:>12}\n", name, model.parameters->count());
  }
  if (o.step.microbatch > 0) print_executions(o, common);
  return 0;
}

}  // namespace

Command add_info(CommandLine app) {
  const CommandLine command = app.add_command(
      "info",
      "Shows devices, libraries, data sets and models. Says which vector instructions the CPU "
      "kernels\n"
      "take here (BASIN_ISA=base|avx2|avx512 caps them), or why there is no CUDA device.");
  auto o = std::make_shared<Options>();
  auto common = std::make_shared<CommonOptions>();
  command.add_option("--width", o->width, "of the models whose parameters are counted")
      .check(at_least(1))
      .capture_default_str();
  command.add_option("--classes", o->classes, "that they tell apart")
      .check(at_least(2))
      .capture_default_str();
  command
      .add_option("--microbatch", o->step.microbatch,
                  "also shows how m-SAM's groups of m examples would be replayed, and why")
      .check(at_least(0))
      .capture_default_str();
  add_batch_option(command, o->step);
  add_common_options(command, *common);
  command.footer("Example:\n  basin info --width 64\n  basin info --microbatch 1 --batch 128");
  return [=] { return run(*o, *common); };
}

}  // namespace basin
