// basin info: devices, libraries, what was compiled in, models and their parameter counts.
#include <filesystem>

#include "engine/data/dataset.h"
#include "kernels/simd.h"
#include "kernels/stream.h"
#include "models/model.h"
#include "tools/cli.h"
#include "tools/versions.h"

namespace basin {
namespace {

int run(int64_t width, int64_t classes, const CommonOptions& common) {
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
  return 0;
}

}  // namespace

Command add_info(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "info",
      "Shows devices, libraries, data sets and models. Says which vector instructions the CPU "
      "kernels\n"
      "take here (BASIN_ISA=base|avx2|avx512 caps them), or why there is no CUDA device.");
  auto width = std::make_shared<int64_t>(16);
  auto classes = std::make_shared<int64_t>(10);
  auto common = std::make_shared<CommonOptions>();
  command->add_option("--width", *width, "of the models whose parameters are counted")
      ->check(at_least(1))
      ->capture_default_str();
  command->add_option("--classes", *classes, "that they tell apart")
      ->check(at_least(2))
      ->capture_default_str();
  add_common_options(*command, *common);
  command->footer("Example:\n  basin info --width 64");
  return [=] { return run(*width, *classes, *common); };
}

}  // namespace basin
