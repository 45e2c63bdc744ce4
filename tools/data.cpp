// basin data: which data sets there are, where they lie, whether they can be read.
#include <filesystem>

#include "engine/data/dataset.h"
#include "kernels/error.h"
#include "tools/cli.h"

namespace basin {
namespace {

int list() {
  for (const std::string& name : dataset_names()) {
    std::string where = name == "shapes" ? "made on the spot" : "not here";
    for (const std::string& folder : dataset_folders(name, "")) {
      if (std::filesystem::is_directory(folder)) {
        where = folder;
        break;
      }
    }
    fmt::print("{:<15} {}\n", name, where);
  }
  return 0;
}

int verify(const std::string& name, const std::string& data_dir) {
  const DatasetPair data = load_dataset(name, data_dir);
  fmt::print("{}: {} training and {} test images {}x{}x{}, {} classes, from {}: whole\n", name,
             data.train.n, data.test.n, data.train.h, data.train.w, data.train.c,
             data.train.classes, data.source);
  return 0;
}

}  // namespace

Command add_data(CLI::App& app) {
  CLI::App* command = app.add_subcommand("data", "List data sets, or read one through");
  command->require_subcommand(1);
  auto name = std::make_shared<std::string>();
  auto data_dir = std::make_shared<std::string>();
  CLI::App* list_command = command->add_subcommand("list", "Names, and where each lies");
  CLI::App* verify_command =
      command->add_subcommand("verify", "Read a data set whole, and check it");
  verify_command->add_option("name", *name, "its name")->required();
  verify_command->add_option("--data-dir", *data_dir, "the only folder to search");
  return [=] { return list_command->parsed() ? list() : verify(*name, *data_dir); };
}

}  // namespace basin
